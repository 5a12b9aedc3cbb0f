"""Keys of the user's own: those that the code names, and who may use them; one is made where hardening is strict."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from glacier.blueprint import Block, Declaration, Ref, Text, Value, Waiver, text
from glacier.deployment.needs import identifier
from glacier.errors import ConfigError
from glacier.infrastructure.azure.access import ASSIGNMENT, Identity, assigned, identity_declaration
from glacier.infrastructure.azure.accounts import Account
from glacier.infrastructure.azure.place import TENANT, Place
from glacier.infrastructure.azure.templates import deployed

ENCRYPTION = Identity("encryption")
"""What storage accounts reach a key as."""

WAITED = Ref("time_sleep", "encryption", ())
"""The wait for vaults to know who may use their keys. An account whose key it may not use yet cannot be made."""

_WAIT = "180s"
"""Key Vault asks for a role anew after some minutes at most. (Azure role-based access control: troubleshooting)"""
_USE = "Key Vault Crypto Service Encryption User"
_URL = re.compile(r"https://([a-zA-Z0-9-]{3,24})\.vault\.azure\.net/keys/([a-zA-Z0-9-]+)(?:/[0-9a-f]+)?/?")
_ID = re.compile(r"/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft\.KeyVault/vaults/([^/]+)/keys/([^/]+)")
_VAULT_NAME = 24
_KEY = "storage"
_ROTATED, _NOTIFIED = "P90D", "P30D"
_SOFT_DELETE_DAYS = 90
_VAULT_WAIVERS = (
    Waiver("CKV2_AZURE_32", "no more than Azure Storage reaches it, as a trusted service: it needs no endpoint"),
)


@dataclass(frozen=True)
class Encrypted:
    """What an account is told of its key.

    Attributes:
        arguments: none if Microsoft's own keys encrypt.
        after: what must be there before.
    """

    arguments: Mapping[str, Value]
    after: tuple[Ref, ...] = ()


@dataclass(frozen=True)
class Keys:
    """The keys of a pipeline's accounts.

    Attributes:
        declarations: the identity by which accounts reach keys, what it may do, and what is made.
        named: by the key as the code has it, how accounts are told of it.
        made: how those are told whose code names none.
    """

    declarations: tuple[Declaration, ...]
    named: Mapping[str, Encrypted]
    made: Encrypted

    @property
    def makes_one(self) -> bool:
        """Whether a key is made."""
        return bool(self.made.arguments)

    def of(self, key: str | None) -> Encrypted:
        """Gives how an account is told of its key, which the code names or not."""
        return self.made if key is None else self.named[key]


def keys_of(place: Place, accounts: Sequence[Account]) -> Keys:
    """Gives the keys of accounts.

    Raises:
        ConfigError: what the code names is no key.
    """
    named = {account.key: account for account in accounts if not account.existing and account.key is not None}
    declarations: list[Declaration] = []
    told: dict[str, Encrypted] = {}
    for key, account in named.items():
        found, told[key] = _named(key, account)
        declarations += found
    made = Encrypted({})
    unnamed = any(not account.existing and account.key is None for account in accounts)
    if place.strict and (unnamed or place.deployment.functions):
        found, made = _made(place)
        declarations += found
    known = {one.address: one for one in declarations}
    if not known:
        return Keys((), told, made)
    uses = tuple(one.ref() for one in known.values() if one.kind == ASSIGNMENT)
    wait = Declaration(WAITED.kind, WAITED.name, "access", {"create_duration": _WAIT}, after=uses)
    return Keys((identity_declaration(place, ENCRYPTION), *known.values(), wait), told, made)


def _named(key: str, account: Account) -> tuple[list[Declaration], Encrypted]:
    """Gives who may use a key that is there, and how accounts are told of it."""
    by_id, by_url = _ID.fullmatch(key), _URL.fullmatch(key)
    found = by_id or by_url
    if found is None:
        raise ConfigError(
            f"storage account `{account.name}` is to be encrypted with `{key}`, which is no key of Key Vault",
            site=account.made[0].site,
            fix='write key_vault_key="https://VAULT.vault.azure.net/keys/KEY"',
        )
    vault, name = found[1], found[2]
    label = identifier(f"{vault}-{name}")
    declarations: list[Declaration] = []
    scope: Text | str = key
    if by_id is None:
        looked = Declaration(
            "azurerm_resources",
            identifier(vault),
            "access",
            {"type": "Microsoft.KeyVault/vaults", "name": vault},
            looked_up=True,
            because=account.because,
        )
        declarations.append(looked)
        scope = text(looked.ref("resources", 0, "id"), f"/keys/{name}")
    use = assigned(ENCRYPTION, f"uses_{label}", scope, _USE, account.because)
    declarations.append(use)
    return declarations, _encrypted(key if by_url else f"https://{vault}.vault.azure.net/keys/{name}")


def _made(place: Place) -> tuple[list[Declaration], Encrypted]:
    name = place.unique("", _VAULT_NAME)
    vault = Declaration(
        "azurerm_key_vault",
        "this",
        "access",
        {
            "name": name,
            **place.common(),
            "tenant_id": TENANT,
            "sku_name": "premium",
            "rbac_authorization_enabled": True,
            "purge_protection_enabled": True,
            "soft_delete_retention_days": _SOFT_DELETE_DAYS,
            "public_network_access_enabled": False,
            "tags": place.tags,
            "network_acls": Block({"default_action": "Deny", "bypass": "AzureServices"}),
        },
        keeps_data=True,
        waivers=_VAULT_WAIVERS,
    )
    key = deployed(place, "key", "access", [_key_resource()], {"vault": vault.ref("name")}, keeps_data=True)
    use = assigned(ENCRYPTION, "uses_key", vault.ref("id"), _USE, ())
    url = text("https://", vault.ref("name"), f".vault.azure.net/keys/{_KEY}")
    return [vault, key, use], _encrypted(url, key)


def _key_resource() -> dict[str, Value]:
    """Gives the key as Azure Resource Manager makes it, for which nobody has to reach into the vault."""
    rotation: dict[str, Value] = {
        "lifetimeActions": (
            {"trigger": {"timeAfterCreate": _ROTATED}, "action": {"type": "rotate"}},
            {"trigger": {"timeBeforeExpiry": _NOTIFIED}, "action": {"type": "notify"}},
        ),
        "attributes": {"expiryTime": "P2Y"},
    }
    return {
        "type": "Microsoft.KeyVault/vaults/keys",
        "apiVersion": "2023-07-01",
        "name": f"[format('{{0}}/{_KEY}', parameters('vault'))]",
        "properties": {
            "kty": "RSA-HSM",
            "keySize": 3072,
            "keyOps": ("wrapKey", "unwrapKey"),
            "rotationPolicy": rotation,
        },
    }


def _encrypted(url: Text | str, *after: Declaration) -> Encrypted:
    key: dict[str, Value] = {"key_vault_key_id": url, "user_assigned_identity_id": ENCRYPTION.ref("id")}
    return Encrypted(
        {"identity": ENCRYPTION.block(), "customer_managed_key": Block(key)}, (WAITED, *(one.ref() for one in after))
    )
