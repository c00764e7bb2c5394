"""pulumi-random."""

import string
from base64 import urlsafe_b64decode
from uuid import UUID

import pytest

from rehearsal.core.errors import RefusedError
from rehearsal.core.protocol import UNKNOWN, Call, Properties
from rehearsal.providers.random import Randomness

random = Randomness()


def call(kind: str, *, preview: bool = False) -> Call:
    return Call(f"random:index/random{kind}:Random{kind}", "r", preview=preview)


def result(kind: str, **inputs: object) -> str:
    return random.create(call(kind), dict(inputs))[1]["result"]


def test_a_uuid_is_its_own_id() -> None:
    resource_id, outputs = random.create(call("Uuid"), {})
    assert str(UUID(outputs["result"])) == resource_id


def test_two_values_differ() -> None:
    assert result("Password", length=16.0) != result("Password", length=16.0)


def test_a_password_is_not_in_its_id() -> None:
    resource_id, outputs = random.create(call("Password"), {"length": 24})
    assert resource_id == "none"
    assert len(outputs["result"]) == 24


def test_a_string_without_special_characters_has_none() -> None:
    assert set(result("String", length=500, special=False)) <= set(string.ascii_letters + string.digits)


def test_own_special_characters_replace_the_usual_ones() -> None:
    text = result("Password", length=300, upper=False, lower=False, numeric=False, overrideSpecial="_-")
    assert set(text) == {"_", "-"}


def test_minima_are_kept() -> None:
    text = result("Password", length=3, minUpper=1, minNumeric=1, minSpecial=1)
    assert sum(letter.isupper() for letter in text) == sum(letter.isdigit() for letter in text) == 1


@pytest.mark.parametrize(
    ("inputs", "path"),
    [
        ({"length": 0}, "length"),
        ({"length": 2, "minUpper": 3}, "length"),
        ({"length": 8, "upper": False, "lower": False, "numeric": False, "special": False}, "upper"),
        ({}, "length"),
    ],
)
def test_impossible_sizes_are_refused(inputs: Properties, path: str) -> None:
    assert [problem.path for problem in random.check(call("Password"), inputs)[1]] == [path]


def test_an_id_is_its_bytes_in_several_spellings() -> None:
    resource_id, outputs = random.create(call("Id"), {"byteLength": 5, "prefix": "p-"})
    data = urlsafe_b64decode(resource_id + "=")
    assert outputs["hex"] == f"p-{data.hex()}"
    assert outputs["dec"] == f"p-{int.from_bytes(data)}"


def test_a_pet_has_as_many_words_as_asked() -> None:
    assert random.create(call("Pet"), {"length": 3, "prefix": "my"})[0].count("-") == 3


def test_changed_keepers_force_a_replacement() -> None:
    difference = random.diff(call("Uuid"), {"keepers": {"a": "1"}}, {}, {"keepers": {"a": "2"}})
    assert difference.replaced == ["keepers.a"]
    assert not difference.delete_before_replace


def test_stating_a_default_changes_nothing() -> None:
    assert not random.diff(call("Password"), {"length": 8}, {}, {"length": 8.0, "special": True}).changed


def test_a_preview_does_not_know_the_value() -> None:
    resource_id, outputs = random.create(call("Password", preview=True), {"length": 8})
    assert resource_id == ""
    assert outputs["result"] is UNKNOWN


def test_a_refresh_keeps_what_the_state_has() -> None:
    _, outputs = random.create(call("Password"), {"length": 8})
    assert random.read(call("Password"), "none", {"length": 8}, outputs) == ({"length": 8}, outputs)


def test_an_import_takes_the_id_for_the_value() -> None:
    restored = random.read(call("String"), "abc", {}, {})
    assert restored is not None
    assert restored[1]["result"] == "abc"


def test_a_password_cannot_be_restored_from_its_id() -> None:
    with pytest.raises(RefusedError, match="cannot be read back"):
        random.read(call("Password"), "none", {}, {})


def test_there_are_no_functions() -> None:
    with pytest.raises(RefusedError, match="no function"):
        random.invoke(Call("random:index:roll"), {})


def test_an_unknown_type_says_where_to_add_it() -> None:
    with pytest.raises(RefusedError, match=r"rehearsal/providers/random\.py"):
        random.check(Call("random:index/randomBytes:RandomBytes"), {})
