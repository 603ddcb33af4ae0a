"""What the pages share on which a payer acts in the sandbox: their frame, their leaving, the way back."""

from collections.abc import Iterable, Mapping
from html import escape
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit, urlunsplit

from payments.simulator.answers import Answer

CHECK = "3-D Secure"
_POLICY = (
    ("content-security-policy", "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'"),
    ("referrer-policy", "no-referrer"),
    ("cache-control", "no-store"),
)
_BANK_ASKS = (
    "<p>Your bank asks whether it is you who pays. This is the sandbox: choose how the bank's check ends.</p>"
)


def shown(page: str) -> Answer:
    """A page as it leaves: it may load nothing, and nobody keeps it."""
    return Answer(200, page, "text/html; charset=utf-8", headers=_POLICY)


def back(address: str, added: Mapping[str, str]) -> Answer:
    """Send the browser to where the merchant wants it, with what the provider adds to the address."""
    target = urlsplit(address)
    query = urlencode([*parse_qsl(target.query), *added.items()])
    return Answer(303, "", headers=(("location", urlunsplit(target._replace(query=query))),))


def one(query: str | bytes, name: str) -> str:
    """The first value of a name in a query or a form; "" when there is none."""
    text = query.decode("ascii", "replace") if isinstance(query, bytes) else query
    return "".join(parse_qs(text).get(name, [])[:1])


def facts(rows: Mapping[str, object]) -> str:
    """What the payer should know before acting."""
    return (
        f"<dl>{''.join(f'<dt>{name}</dt><dd>{escape(str(value))}</dd>' for name, value in rows.items())}</dl>"
    )


def check(rows: Mapping[str, object], buttons: Iterable[str], note: str = "") -> str:
    """The page of the payer's bank: what is to be paid, and a button for each way its check can end."""
    content = f'{_BANK_ASKS}{facts(rows)}<form method="post">{"".join(buttons)}</form>{note}'
    return frame("Confirm this payment", content)


def result_button(value: str, label: str) -> str:
    """A button that ends the page with a result of that name."""
    return f'<button name="result" value="{value}" class="{value}">{label}</button>'


def frame(title: str, content: str, kind: str = CHECK) -> str:
    """A page of the sandbox; `content` is markup already, `kind` says what the page is for."""
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)} - sandbox {escape(kind)}</title>
<style>{_STYLE}</style>
</head>
<body>
<main>
<p class="band">Sandbox - no money moves</p>
<h1>{escape(title)}</h1>
{content}
</main>
</body>
</html>
"""


_STYLE = """
*{box-sizing:border-box}
body{margin:0;min-height:100vh;display:flex;align-items:center;justify-content:center;padding:16px;
background:#f1f3f6;color:#1c2430;font:16px/1.5 system-ui,sans-serif}
main{width:100%;max-width:460px;background:#fff;border:1px solid #d9dee6;border-radius:12px;padding:24px;
box-shadow:0 6px 24px rgba(28,36,48,.08)}
.band{margin:-24px -24px 20px;padding:8px 24px;border-radius:12px 12px 0 0;background:#fff4d6;color:#6b4b00;
font-size:13px}
h1{margin:0 0 8px;font-size:22px;line-height:1.25}
p{margin:0 0 16px}
dl{display:grid;grid-template-columns:auto 1fr;gap:6px 16px;margin:0 0 20px;padding:14px 16px;
background:#f6f8fa;border-radius:8px}
dt{color:#57606f}
dd{margin:0;text-align:right;font-weight:600;overflow-wrap:anywhere}
form{display:grid;gap:10px}
label{font-weight:600}
select,button{font:inherit;width:100%;min-height:48px;padding:10px 14px;border-radius:8px;
border:1px solid #b9c1cd;background:#fff;color:#1c2430}
button{font-weight:600;cursor:pointer}
button.success{background:#1f5fd6;border-color:#1f5fd6;color:#fff}
button.fail{color:#a11b1b;border-color:#d9a3a3}
button:hover{filter:brightness(.96)}
select:focus-visible,button:focus-visible{outline:3px solid #8db4ff;outline-offset:2px}
.note{margin:16px 0 0;color:#57606f;font-size:14px}
"""
