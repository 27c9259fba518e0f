"""What every part shares: frozen records, settings, errors, the store and the audit log. Imports nothing of ours."""
