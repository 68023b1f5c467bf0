"""Who may see the lab: people at this machine, those who log in, or those whom the operator's proxy lets through."""

import ipaddress
import os
import sys
from importlib.util import find_spec

import streamlit as st
from streamlit.errors import StreamlitSecretNotFoundError

from lab import words
from lab.language import t

PROXY = "DSSM_PROXY_AUTHENTICATES"
"""The environment variable by which an operator states, with 1, that a proxy lets nobody through without a login."""


def refusal() -> str:
    """Why nobody may see the lab as it is served, in one sentence that says what to do; "" where people may."""
    try:
        login = bool(_secrets("auth"))
    except StreamlitSecretNotFoundError:
        return "secrets.toml cannot be read, so who may log in is not known: mend it, or remove it."
    if login:
        missing = find_spec("authlib") is None
        return "secrets.toml has an [auth] section, which needs: pip install 'streamlit[auth]'." if missing else ""
    address = st.get_option("server.address")
    if is_loopback(address) or os.environ.get(PROXY) == "1":
        return ""
    return (
        f"the lab would be open to everybody who reaches {address or 'this machine'}: serve it on 127.0.0.1, or put a "
        f"login before it (an [auth] section in secrets.toml, or a proxy that authenticates and {PROXY}=1; README.md, "
        "'For more than one person', says how)."
    )


def is_loopback(address: str | None) -> bool:
    """Whether an address to listen on is reached from this machine alone; no address means all of them."""
    try:
        return address == "localhost" or ipaddress.ip_address(address or "0.0.0.0").is_loopback
    except ValueError:  # the name of a host
        return False


def end_if_refused() -> None:
    """End the process, saying why, where nobody may see the lab as it is about to be served."""
    if reason := refusal():
        sys.exit(f"error: {reason}")


def let_in() -> None:
    """Stop the page before it shows anything, unless who looks at it may; shows the login where there is one."""
    if reason := refusal():
        st.error(words.as_markdown(reason), icon=":material/lock:")
        st.stop()
    if not _secrets("auth"):
        return
    if not st.user.is_logged_in:
        st.title(t("Recall lab"))
        st.button(t("Log in"), type="primary", icon=":material/login:", on_click=st.login)
        st.stop()
    if not is_listed(st.user.to_dict(), _listed_emails()):
        st.error(t("This account may not see the lab: ask who runs it to list your e-mail."), icon=":material/lock:")
        st.button(t("Log out"), icon=":material/logout:", on_click=st.logout)
        st.stop()


def _listed_emails() -> list[str] | None:
    """Whom the operator lists; None without an [access] section. One without `emails`, as misspelt, lists nobody."""
    listed = _secrets("access")
    return None if listed is None else listed.get("emails", [])


def is_listed(user: dict, emails: list[str] | None) -> bool:
    """Whether a person who logged in is on the list, which is of e-mails in any case; without a list, everybody is.

    `user`: the claims of the login. An e-mail that the provider calls unverified counts for nothing.
    """
    if emails is None:
        return True
    email = str(user.get("email") or "").lower()
    return bool(email) and user.get("email_verified", True) is True and email in {entry.lower() for entry in emails}


def _secrets(section: str) -> dict | None:
    """A section of secrets.toml; None where it, or the file, is not there."""
    try:
        return st.secrets.get(section)
    except StreamlitSecretNotFoundError as error:
        if error.error_id == "no-secrets-found":
            return None
        raise
