"""The identifier kinds of the model company, by name: `KINDS["ip"]`, and those that tests speak of most."""

from __future__ import annotations

from schemas.company import load_company

KINDS = load_company().kinds
CUSTOMER_NUMBER = KINDS["customer_number"]
FODSELSNUMMER = KINDS["fodselsnummer"]
EMAIL = KINDS["email"]
PHONE = KINDS["phone"]
USERNAME = KINDS["username"]
IP = KINDS["ip"]
MAC = KINDS["mac"]
COOKIE_ID = KINDS["cookie_id"]
CHAT_HANDLE = KINDS["chat_handle"]
SOCIAL_HANDLE = KINDS["social_handle"]
DEVICE_SERIAL = KINDS["device_serial"]
ACCOUNT_NUMBER = KINDS["account_number"]
