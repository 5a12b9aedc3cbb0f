"""Keys of the user's own: who may encrypt with those that the code names; those made where hardening is strict."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from glacier.blueprint import Declaration, Ref, Text, Value, Variable, text
from glacier.config.gcp import GCSConfig
from glacier.deployment.needs import identifier
from glacier.infrastructure.gcp.project import Project, api, numbered

_ROTATION = "7776000s"
_USE = "roles/cloudkms.cryptoKeyEncrypterDecrypter"
_PLACES = {"eu": "europe"}
"""Where keys lie for buckets in several regions, if they call it otherwise. (Cloud KMS: locations)"""
AGENTS = {
    "registry": ("artifactregistry", "gcp-sa-artifactregistry"),
    "run": ("run", "serverless-robot-prod"),
}
"""Who uses a key that is made: a service, and Google's own account of it.

Google makes that of Artifact Registry with the first repository, which is to be encrypted already: so it is asked for
before. (Artifact Registry: service agent)
"""


@dataclass(frozen=True)
class Keys:
    """The keys that buckets and images are encrypted with.

    Attributes:
        declarations: key rings, keys, and who may use them.
        grants: by location or key and project, the permission of Cloud Storage's own account.
        made: by location, the key that is made there.
    """

    declarations: tuple[Declaration, ...]
    grants: dict[tuple[str, str], Ref]
    made: dict[str, Ref]

    def of(self, location: str) -> Ref | None:
        """Gives the key that is made in a location, None where Google's keys do."""
        return self.made.get(location)

    def granted(self, place: str, project: str | Variable) -> tuple[Ref, ...]:
        """Gives what must be there before something of a project is encrypted with a key, named or made in a place."""
        found = self.grants.get((place, _name(project)))
        return (found,) if found else ()

    def agent(self, who: str) -> tuple[Ref, ...]:
        """Gives the permission of `registry` or `run` to use the key of the pipeline's region."""
        return tuple(one.ref() for one in self.declarations if one.name == f"glacier_{who}")


def keys_of(project: Project) -> Keys:
    """Gives the keys of a pipeline's buckets, of its images and jobs."""
    deployment = project.deployment
    buckets = [one for one in (*deployment.buckets, deployment.records) if not one.existing]
    found: dict[str, Declaration] = {}
    grants: dict[tuple[str, str], Ref] = {}
    made: dict[str, Ref] = {}

    def declare(declaration: Declaration) -> Ref:
        return found.setdefault(declaration.address, declaration).ref()

    def allow_storage(place: str, key: str | Ref, name: str, owner: str | Variable) -> None:
        if (place, _name(owner)) in grants:
            return
        agent = declare(_storage_agent(owner, project))
        member = text("serviceAccount:", Ref(agent.kind, agent.name, ("email_address",), looked_up=True))
        suffix = "" if owner == project.id else f"_{identifier(_name(owner))}"
        grants[place, _name(owner)] = declare(_use(f"{name}{suffix}", key, member))

    if project.strict:
        for location in sorted({one.provider.region for one in buckets} | {project.region}):
            made[location] = _make(project, location, declare)
            allow_storage(location, made[location], f"glacier_storage_{identifier(location)}", project.id)
        for who, (service, agent) in AGENTS.items():
            declare(numbered(project))
            member = text(
                "serviceAccount:service-", numbered(project).ref("number"), f"@{agent}.iam.gserviceaccount.com"
            )
            declare(_use(f"glacier_{who}", made[project.region], member, api(service)))
    for bucket in buckets:
        config: GCSConfig = bucket.config or GCSConfig()
        location = bucket.provider.region
        owner = project.project_of(bucket)
        if config.kms_key:
            key = identifier("-".join(config.kms_key.split("/")[1::2]))
            allow_storage(config.kms_key, config.kms_key, f"storage_{key}", owner)
        elif location in made:
            allow_storage(location, made[location], f"glacier_storage_{identifier(location)}", owner)
    return Keys(tuple(found.values()), grants, made)


def place_of_key(location: str) -> str:
    """Gives where a key must lie that encrypts buckets in a location.

    >>> place_of_key("europe-north1"), place_of_key("EU")
    ('europe-north1', 'europe')
    """
    return _PLACES.get(location.lower(), location.lower())


def _make(project: Project, location: str, declare: Callable[[Declaration], Ref]) -> Ref:
    name = project.called(longest=63, what="a key ring")
    ring = Declaration(
        "google_kms_key_ring",
        f"glacier_{identifier(location)}",
        "access",
        {"name": name, "location": place_of_key(location)},
        after=(api("cloudkms"),),
    )
    declare(ring)
    key = Declaration(
        "google_kms_crypto_key",
        f"glacier_{identifier(location)}",
        "access",
        {"name": name, "key_ring": ring.ref("id"), "rotation_period": _ROTATION, "labels": project.labels},
        keeps_data=True,
    )
    declare(key)
    return key.ref("id")


def _use(name: str, key: str | Ref, member: Text | str, *after: Ref) -> Declaration:
    allowed: dict[str, Value] = {"crypto_key_id": key, "role": _USE, "member": member}
    return Declaration("google_kms_crypto_key_iam_member", name, "access", allowed, after=after)


def _storage_agent(owner: str | Variable, project: Project) -> Declaration:
    alone = owner == project.id
    name = "this" if alone else identifier(_name(owner))
    arguments: dict[str, Value] = {"project": None if alone else owner}
    return Declaration("google_storage_project_service_account", name, "access", arguments, looked_up=True)


def _name(project: str | Variable) -> str:
    return project if isinstance(project, str) else project.name
