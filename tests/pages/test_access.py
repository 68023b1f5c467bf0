"""Who is let in: nobody from elsewhere without a login, and of those who log in only whom the operator lists."""

import pytest
import streamlit as st
from streamlit import config
from streamlit.runtime.secrets import Secrets

from lab import access
from lab.access import PROXY
from tests.pages.test_pages import PAGES

AUTH = {"auth": {"redirect_uri": "http://localhost:8501/oauth2callback", "cookie_secret": "a", "client_id": "b"}}


@pytest.fixture
def serve(monkeypatch):
    """A function that makes the lab served on an address, with some secrets, with Authlib there or not."""
    monkeypatch.delenv(PROXY, raising=False)
    before = st.get_option("server.address")

    def served(address: str | None = "127.0.0.1", secrets: dict | Secrets | None = None, authlib: bool = True) -> None:
        config.set_option("server.address", address)
        monkeypatch.setattr(st, "secrets", {} if secrets is None else secrets)
        monkeypatch.setattr(access, "find_spec", lambda name: object() if authlib else None)

    yield served
    config.set_option("server.address", before)


@pytest.fixture
def log_in(monkeypatch):
    """A function that makes a person with some claims logged in."""
    return lambda **claims: monkeypatch.setattr("streamlit.user_info._get_user_info", lambda: claims)


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.9.1", "::1", "localhost"])
def test_an_address_of_this_machine_alone_needs_no_login(serve, address):
    serve(address)
    assert access.refusal() == ""


@pytest.mark.parametrize("address", ["0.0.0.0", "::", "", None, "10.0.0.7", "lab.example", "127.0.0.1.example"])
def test_any_other_address_is_refused_without_a_login(serve, address):
    serve(address)
    assert "open to everybody" in access.refusal()


def test_a_proxy_that_authenticates_opens_any_address_and_only_if_stated(serve, monkeypatch):
    serve("0.0.0.0")
    monkeypatch.setenv(PROXY, "0")
    assert access.refusal()
    monkeypatch.setenv(PROXY, "1")
    assert access.refusal() == ""


def test_a_login_opens_any_address_once_its_library_is_there(serve):
    serve("0.0.0.0", AUTH)
    assert access.refusal() == ""
    serve("0.0.0.0", AUTH, authlib=False)
    assert "pip install 'streamlit[auth]'" in access.refusal()


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0"])
def test_secrets_that_cannot_be_read_let_nobody_in(serve, tmp_path, address):
    path = tmp_path / "secrets.toml"
    path.write_text("[auth\nredirect_uri = ")
    before = st.get_option("secrets.files")
    config.set_option("secrets.files", [str(path)])
    serve(address, Secrets())
    assert "cannot be read" in access.refusal()
    config.set_option("secrets.files", before)


@pytest.mark.parametrize("page", PAGES)
def test_a_page_that_is_served_to_all_shows_the_reason_and_nothing_else(serve, open_page, small_workspace, page):
    serve("0.0.0.0")
    at = open_page(page, small_workspace)
    assert not at.exception
    assert "open to everybody" in at.error[0].value
    assert not [*at.title, *at.caption, *at.selectbox, *at.dataframe, *at.text, *at.button]
    assert not at.sidebar.children


@pytest.mark.parametrize("page", PAGES)
def test_who_has_not_logged_in_sees_the_login_and_nothing_else(serve, log_in, open_page, small_workspace, page):
    serve(secrets=AUTH)
    log_in(is_logged_in=False)
    at = open_page(page, small_workspace)
    assert not at.exception
    assert [button.label for button in at.button] == ["Log in"]
    assert not [*at.caption, *at.selectbox, *at.dataframe, *at.text]
    assert not at.sidebar.children


def test_who_has_logged_in_sees_the_page(serve, log_in, open_page, small_workspace):
    serve("0.0.0.0", AUTH)
    log_in(is_logged_in=True, email="ann@example.org")
    at = open_page("pages/data.py", small_workspace)
    assert at.title[0].value == "Data"
    assert at.selectbox


def test_an_account_that_is_not_listed_sees_how_to_be(serve, log_in, open_page, small_workspace):
    serve("0.0.0.0", AUTH | {"access": {"emails": ["Ann@example.org"]}})
    log_in(is_logged_in=True, email="eve@example.org")
    at = open_page("pages/data.py", small_workspace)
    assert "may not see the lab" in at.error[0].value
    assert not [*at.title, *at.selectbox]
    log_in(is_logged_in=True, email="ann@EXAMPLE.org")
    assert open_page("pages/data.py", small_workspace).title[0].value == "Data"


def test_a_list_whose_name_is_misspelt_lets_nobody_in(serve, log_in, open_page, small_workspace):
    serve("0.0.0.0", AUTH | {"access": {"email": ["ann@example.org"]}})
    log_in(is_logged_in=True, email="ann@example.org")
    assert "may not see the lab" in open_page("pages/data.py", small_workspace).error[0].value


@pytest.mark.parametrize(
    ("claims", "listed"),
    [
        ({"email": "ann@example.org"}, True),
        ({"email": "ann@example.org", "email_verified": True}, True),
        ({"email": "ann@example.org", "email_verified": False}, False),
        ({"email": "ann@example.org", "email_verified": "no"}, False),
        ({"email": "eve@example.org"}, False),
        ({"email": ""}, False),
        ({}, False),
    ],
)
def test_only_a_verified_email_on_the_list_counts(claims, listed):
    assert access.is_listed(claims, ["ann@example.org", ""]) == listed
    assert not access.is_listed(claims, [])
    assert access.is_listed(claims, None)
