"""The web application: sign-in, the API and the errors that people see; `python -m assistant serve` runs it."""
