"""Every setting with its value here, or all of them as the page docs/settings.md.

python -m assistant settings
python -m assistant settings --markdown > docs/settings.md

JSON fields: variable, value, origin.
"""

from __future__ import annotations

import argparse
import os
import sys

from assistant.console import add_json, say, table
from core.settings import Settings, load_settings, setting_name

INTRO = """# Settings

Every setting is an environment variable, read and checked at start; everything that is wrong is said at once.
`python -m assistant settings` prints the values in force. This page is made by `python -m assistant settings --markdown`.

| variable | default | meaning |
|---|---|---|
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "settings", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--markdown", action="store_true", help="the documentation page, which names no values")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    if args.markdown:
        sys.stdout.write(as_markdown())
        return 0
    settings = load_settings()
    rows = [("VARIABLE", "VALUE", "")]
    for name, value in shown(settings).items():
        origin = "set" if setting_name(name) in os.environ else "default"
        if args.json:
            say(args, "", {"variable": setting_name(name), "value": value, "origin": origin})
        rows.append((setting_name(name), value, origin))
    if not args.json:
        sys.stdout.write(table(rows) + "\n")
    return 0


def shown(settings: Settings) -> dict[str, str]:
    """Every value as text; a secret only as whether it is set."""
    values = {}
    for name, field in Settings.model_fields.items():
        value = getattr(settings, name)
        if not field.repr:
            value = "(hidden)" if value else ""
        elif isinstance(value, dict):
            value = ",".join(f"{k}={v}" for k, v in value.items())
        values[name] = str(value)
    return values


def as_markdown() -> str:
    """docs/settings.md, as the descriptions in core/settings.py have it."""
    lines = []
    for name, field in Settings.model_fields.items():
        default = field.get_default(call_default_factory=True)
        text = f"`{default}`" if default not in ("", {}, None) else "empty"
        lines.append(f"| `{setting_name(name)}` | {text} | {field.description} |\n")
    return INTRO + "".join(lines)
