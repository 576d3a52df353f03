"""Compares the generated validation with protovalidate, the reference of buf.validate.

Reads what the example validation_cases prints. Every message must be valid for both or for neither,
with the same fields at fault, and every rule of every contract must have been broken at least once.

Two differences are meant, and held to here:
- text with U+0000 is refused by ours alone: PostgreSQL cannot store it;
- ours tells no more violations than MAX_FOUND.
"""

import base64
import json
import sys

import protovalidate
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.descriptor import FieldDescriptor

MAX_FOUND = 50
MAX_KEY = 64
NUL = "must not contain the character U+0000"
MAX_SHOWN = 20


class Contracts:
    def __init__(self, encoded):
        self.pool = descriptor_pool.DescriptorPool()
        for file in descriptor_pb2.FileDescriptorSet.FromString(encoded).file:
            self.pool.Add(file)

    def message(self, name, encoded):
        descriptor = self.pool.FindMessageTypeByName(name)
        return message_factory.GetMessageClass(descriptor).FromString(encoded)


def path_of(violation):
    """The path of a violation as ours are written: `items[1].quantity`, `labels.key`."""
    parts = []
    for element in violation.proto.field.elements:
        inside = element.subscript
        if inside and inside.field == "string_key":
            parts += [element.field_name, inside.value[:MAX_KEY]]
        else:
            parts.append(element.field_name + (f"[{inside.value}]" if inside else ""))
    return ".".join(parts)


def element_of(message, violation):
    """The full name of the field or oneof that a violation is about."""
    descriptor, name = message.DESCRIPTOR, None
    for element in violation.proto.field.elements:
        name = f"{descriptor.full_name}.{element.field_name}"
        field = descriptor.fields_by_name.get(element.field_name)
        descriptor = field.message_type if field else None
    return name


def with_nul(message, prefix=""):
    """The paths of all texts with U+0000 in messages of Souk."""
    if not message.DESCRIPTOR.full_name.startswith("souk."):
        return
    for field, value in message.ListFields():
        if field.message_type and field.message_type.GetOptions().map_entry:
            entries = ((key, text) for key, text in value.items() if "\0" in key + text)
            yield from (f"{prefix}{field.name}.{key[:MAX_KEY]}" for key, _ in entries)
            continue
        repeated = not isinstance(value, (str, bytes)) and hasattr(value, "__len__")
        for index, item in enumerate(value if repeated else [value]):
            path = f"{prefix}{field.name}" + (f"[{index}]" if repeated else "")
            if field.type == FieldDescriptor.TYPE_MESSAGE:
                yield from with_nul(item, f"{path}.")
            elif isinstance(item, str) and "\0" in item:
                yield path


def difference(message, ours, theirs):
    """What differs, in words; None where nothing does."""
    expected = {path_of(violation) for violation in theirs}
    told = {violation["field"] for violation in ours if violation["issue"] != NUL}
    nul = {violation["field"] for violation in ours if violation["issue"] == NUL}
    expected_nul = set(with_nul(message))
    if len(ours) > MAX_FOUND:
        return f"{len(ours)} violations are more than {MAX_FOUND}"
    if len(ours) == MAX_FOUND:
        same = told <= expected and nul <= expected_nul
    else:
        same = told == expected and nul == expected_nul
    if same:
        return None
    return f"ours {sorted(told)} and U+0000 in {sorted(nul)}, expected {sorted(expected)} and {sorted(expected_nul)}"


def main():
    head = json.loads(sys.stdin.readline())
    contracts = Contracts(base64.b64decode(head["descriptors"]))
    rules = {tuple(rule) for rule in head["rules"]}
    broken, kept, differences = set(), set(), []
    cases = invalid = capped = 0
    for line in sys.stdin:
        case = json.loads(line)
        message = contracts.message(case["type"], base64.b64decode(case["bytes"]))
        theirs = protovalidate.collect_violations(message)
        found = difference(message, case["violations"], theirs)
        if found:
            differences.append(f"{case['type']}: {found}\n  {str(message)[:300]!r}")
        broken |= {(element_of(message, violation), violation.proto.rule_id) for violation in theirs}
        if not theirs:
            kept.add(case["type"])
        cases += 1
        invalid += bool(theirs)
        capped += len(case["violations"]) == MAX_FOUND

    for text in differences[:MAX_SHOWN]:
        print(text)
    never = sorted(rules - broken)
    if never:
        print(f"rules that no case breaks: {never}")
    unknown = sorted(broken - rules)
    if unknown:
        print(f"rules that are not in the contracts: {unknown}")
    print(
        f"{cases} messages of {len(kept)} types ({invalid} invalid, {capped} of them with {MAX_FOUND} or more"
        f" violations), {len(rules)} rules: {len(differences)} differences"
    )
    return 1 if differences or never or unknown or not cases or not rules else 0


if __name__ == "__main__":
    sys.exit(main())
