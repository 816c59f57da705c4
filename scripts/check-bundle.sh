#!/usr/bin/env bash
# A bundle, or a redacted copy of one, under the eyes of others: the BagIt validator of the Library of Congress (PyPI `bagit`),
# an independent check of the DSSE envelope (PyPI `cryptography`), ssh-keygen. Needs Python 3; makes a
# virtual environment in a temporary directory.
#
#   scripts/check-bundle.sh BUNDLE PUBLIC-KEY [NAMESPACE]
set -euo pipefail
bundle=${1:?a sealed bundle} key=${2:?the public key that sealed it} namespace=${3:-parentage-bundle}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet 'bagit>=1.9,<2' 'cryptography>=42' 'setuptools<80'

echo "== BagIt (python bagit)"
"$work/venv/bin/bagit.py" --validate "$bundle"

# Of a redacted copy the seal of the whole bundle lies inside, and the statement is withheld.
seal=$bundle
[ ! -d "$bundle/data/sealed" ] || seal=$bundle/data/sealed

echo "== SSH signature (ssh-keygen)"
printf 'signer %s\n' "$(cut -d' ' -f1,2 "$key")" >"$work/allowed_signers"
ssh-keygen -Y verify -f "$work/allowed_signers" -I signer -n "$namespace" \
    -s "$seal/tagmanifest-sha256.txt.sig" <"$seal/tagmanifest-sha256.txt"

if [ "$seal" != "$bundle" ]; then
    echo "== commitments (python hashlib)"
    "$work/venv/bin/python" - "$bundle" <<'PYTHON'
import hashlib, pathlib, re, sys

bundle = pathlib.Path(sys.argv[1])
sha256 = lambda data: hashlib.sha256(data).digest()
sealed = (bundle / "data/sealed/commitments.txt").read_bytes()
listed = (bundle / "data/sealed/tagmanifest-sha256.txt").read_text()
assert sha256(sealed).hex() + "  commitments.txt\n" in listed
form = re.compile(rb'\{"commitment":"([0-9a-f]{64})"(?:,"salt":"([0-9a-f]{64})","open":(.*))?\}')
shown = withheld = 0
for line in sealed.decode().splitlines():
    digest, pieces, file = line.split("  ")
    lines = (bundle / file).read_bytes().split(b"\n")
    assert lines.pop() == b"" and len(lines) == int(pieces), file
    found = [form.fullmatch(line).groups() for line in lines]
    commitments = [bytes.fromhex(c.decode()) for c, _, _ in found]
    assert sha256(b"".join(commitments)).hex() == digest, file
    for commitment, (_, salt, piece) in zip(commitments, found):
        if salt is None:
            withheld += 1
        else:
            shown += 1
            assert sha256(bytes.fromhex(salt.decode()) + piece) == commitment, file
print(shown, "pieces shown as they were sealed,", withheld, "withheld")
PYTHON
    echo "all accept"
    exit
fi

echo "== DSSE envelope and in-toto statement (python cryptography)"
"$work/venv/bin/python" - "$bundle" "$key" <<'PYTHON'
import base64, hashlib, json, pathlib, sys
from cryptography.hazmat.primitives.serialization import load_ssh_public_key

bundle, key = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
envelope = json.loads((bundle / "statement.dsse.json").read_text())
kind, payload = envelope["payloadType"].encode(), base64.b64decode(envelope["payload"], validate=True)
encoded = b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)
public = load_ssh_public_key(key.read_bytes())
[signature] = envelope["signatures"]
public.verify(base64.b64decode(signature["sig"], validate=True), encoded)
blob = base64.b64decode(key.read_text().split()[1])
keyid = "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")
assert signature["keyid"] == keyid, (signature["keyid"], keyid)

statement = json.loads(payload)
assert statement["_type"] == "https://in-toto.io/Statement/v1"
[subject] = statement["subject"]
digest = lambda name: hashlib.sha256((bundle / name).read_bytes()).hexdigest()
assert subject["digest"]["sha256"] == digest(subject["name"])
for field, name in {"plan": "plan.json", "log": "log.jsonl", "report": "results/report.json"}.items():
    assert statement["predicate"][field] == digest("data/" + name), field
print("signed by", keyid, "and about", subject["name"] + ":", statement["predicate"]["finding"])
PYTHON
echo "all accept"
