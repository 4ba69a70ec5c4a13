# Copyright (c) 2026, The Understudy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A report for people (HTML) and for machines (JSON), and its signature. Runs on the controller.

The signature is ECDSA with SHA-256 by the site's authority over the bytes of the file, beside it as `FILE.sig`:
`openssl dgst -sha256 -verify PUBLIC_KEY -signature FILE.sig FILE` proves it without this software.
"""

from __future__ import annotations

import html
import json
import traceback
from typing import Any

try:
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    CRYPTOGRAPHY_ERROR = None
except ImportError:
    CRYPTOGRAPHY_ERROR = traceback.format_exc()

FORMAT = "understudy report 1"

STYLE = """body{font:15px/1.45 system-ui,sans-serif;color:#1b1f24;margin:2rem auto;max-width:62rem;padding:0 1rem}
h1{font-size:1.5rem;margin:0}h2{font-size:1.1rem;margin:2rem 0 .5rem}table{border-collapse:collapse;width:100%}
th,td{text-align:left;vertical-align:top;padding:.35rem .6rem;border-bottom:1px solid #d5d9de}
th{background:#f2f4f6}.pass{color:#0a6b2d;font-weight:600}.fail{color:#a3141f;font-weight:600}p{margin:.3rem 0}"""


def document(kind: str, site: str, span: tuple[str, str], checks: list[Any], tables: list[Any]) -> dict[str, Any]:
    """The report; it passes when all of its checks do."""
    return {
        "format": FORMAT,
        "kind": kind,
        "site": site,
        "from": span[0],
        "to": span[1],
        "verdict": "pass" if all(row["passed"] for row in checks) else "fail",
        "checks": checks,
        "tables": tables,
    }


def check(rule: str, what: str, measured: str, problems: list[str]) -> dict[str, Any]:
    """One check; it passes without problems."""
    return {"rule": rule, "what": what, "passed": not problems, "measured": measured, "problems": problems}


def table(title: str, columns: list[str], rows: list[list[Any]]) -> dict[str, Any]:
    """One table; a table without rows says so."""
    return {"title": title, "columns": columns, "rows": rows}


def as_json(report: dict[str, Any]) -> bytes:
    """The report for machines."""
    return (json.dumps(report, indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode()


def as_html(report: dict[str, Any]) -> bytes:
    """The report for people: one page without scripts, pictures or links."""
    title = f"{report['kind'].capitalize()} report of {report['site']}"
    checks = [
        [_cell(row["rule"]), _cell(row["what"]), _verdict(row["passed"]), _cell(_told(row))] for row in report["checks"]
    ]
    parts = [
        f"<h1>{_cell(title)}</h1><p>{_cell(report['from'])} to {_cell(report['to'])}</p>",
        f"<p>Verdict: {_verdict(report['verdict'] == 'pass')}</p><h2>Checks</h2>",
        _table(["Rule", "Check", "Result", "Measured"], checks),
    ]
    for item in report["tables"]:
        rows = [[_cell(value) for value in row] for row in item["rows"]]
        parts.append(f"<h2>{_cell(item['title'])}</h2>" + (_table(item["columns"], rows) if rows else "<p>None.</p>"))
    head = f'<meta charset="utf-8"><title>{_cell(title)}</title><style>{STYLE}</style>'
    return f'<!doctype html><html lang="en"><head>{head}</head><body>{"".join(parts)}</body></html>\n'.encode()


def _told(row: dict[str, Any]) -> str:
    return "; ".join([row["measured"], *row["problems"]] if row["measured"] else row["problems"])


def _cell(value: Any) -> str:
    return html.escape("" if value is None else str(value))


def _verdict(passed: bool) -> str:
    return f'<span class="{"pass" if passed else "fail"}">{"PASS" if passed else "FAIL"}</span>'


def _table(columns: list[str], rows: list[list[str]]) -> str:
    head = "".join(f"<th>{_cell(column)}</th>" for column in columns)
    body = "".join("<tr>" + "".join(f"<td>{value}</td>" for value in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def sign(key_pem: bytes, content: bytes) -> bytes:
    """The signature of `content` by the authority's key; ValueError when that is no EC key."""
    key = serialization.load_pem_private_key(key_pem, None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ValueError("the authority's key is no EC key")
    return key.sign(content, ec.ECDSA(hashes.SHA256()))


def verify(certificate_pem: bytes, content: bytes, signature: bytes) -> bool:
    """Whether `signature` is the authority's for `content`; ValueError when the certificate is none of an EC key."""
    key = x509.load_pem_x509_certificate(certificate_pem).public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise ValueError("the authority's key is no EC key")
    try:
        key.verify(signature, content, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True
