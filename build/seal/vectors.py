"""Signs envelopes as nearside does, with Python and openssl, sharing no code.

    vectors.py make FOLDER    writes keys, a root, a policy and a command, signed
    vectors.py check FOLDER   reads root.json and policy.dsse, verifies each signature

It holds the format to what is written of it: DSSE over the payload's bytes,
Ed25519, key ids, digests. Needs openssl 1.1.1 or newer.
"""

import base64
import hashlib
import json
import pathlib
import subprocess
import sys
import tempfile

POLICY = "application/vnd.nearside.policy+json"
ROOT = "application/vnd.nearside.root+json"
COMMAND = "application/vnd.nearside.command+json"


def openssl(*args):
    return subprocess.run(["openssl", *args], check=True, capture_output=True).stdout


def pae(kind, payload):
    return b"DSSEv1 %d %s %d " % (len(kind), kind.encode(), len(payload)) + payload


def key_id(public):
    der = openssl("pkey", "-pubin", "-in", str(public), "-outform", "DER")
    return hashlib.sha256(der[-32:]).hexdigest()[:16]


def envelope(kind, document, folder, keys, url_safe=False):
    payload = json.dumps(document, indent=1, ensure_ascii=False).encode()
    encode = base64.urlsafe_b64encode if url_safe else base64.b64encode
    signatures = []
    with tempfile.TemporaryDirectory() as tmp:
        message = pathlib.Path(tmp, "message")
        message.write_bytes(pae(kind, payload))
        for name in keys:
            sig = openssl("pkeyutl", "-sign", "-rawin", "-inkey", str(folder / name), "-in", str(message))
            signatures.append({"sig": encode(sig).decode(), "keyid": key_id(folder / (name + ".pub"))})
    return {"signatures": signatures, "payloadType": kind, "payload": encode(payload).decode()}


def make(folder):
    keys = ["a", "b", "c"]
    for name in keys:
        openssl("genpkey", "-algorithm", "ed25519", "-out", str(folder / name))
        openssl("pkey", "-in", str(folder / name), "-pubout", "-out", str(folder / (name + ".pub")))
    listed = [{"keyid": key_id(folder / (k + ".pub")), "pem": (folder / (k + ".pub")).read_text()} for k in keys]
    root = {"version": 1, "threshold": 2, "tenant": "acme", "keys": listed}
    policy = {
        "body": "# grün & <free>\nversion: 1\n", "kind": "policy", "issued": "2026-06-01T11:00:00+02:00", "version": 7,
        "channel": "stable", "tenant": "acme", "audience": ["ring:early", "label:site=Oslo 1"], "not_after": "2026-07-01T00:00:00Z",
        "epoch": 2, "rollout": {"salt": "s", "pct": 99.99}, "min_agent": "0.1.0",
    }
    command = {"tenant": "acme", "id": "c-1", "do": "refresh", "issued": "2026-06-01T11:00:00Z", "not_after": "2026-06-02T11:00:00Z"}
    next_root = dict(root, version=2, keys=listed[1:])
    for name, made in {
        "root.json": envelope(ROOT, root, folder, []),
        "root2.json": envelope(ROOT, next_root, folder, ["b", "c"]),
        "policy.dsse": envelope(POLICY, policy, folder, ["a", "b"]),
        "urlsafe.dsse": envelope(POLICY, policy, folder, ["c", "b"], url_safe=True),
        "command.dsse": envelope(COMMAND, command, folder, ["b", "c"]),
    }.items():
        (folder / name).write_text(json.dumps(made, indent=1))


def check(folder):
    root = json.loads(base64.b64decode(json.loads((folder / "root.json").read_text())["payload"]))
    keys = {k["keyid"]: k["pem"] for k in root["keys"]}
    signed = json.loads((folder / "policy.dsse").read_text())
    payload = base64.b64decode(signed["payload"], validate=True)
    good = set()
    with tempfile.TemporaryDirectory() as tmp:
        message, sig, public = (pathlib.Path(tmp, n) for n in ("message", "sig", "public"))
        message.write_bytes(pae(signed["payloadType"], payload))
        for s in signed["signatures"]:
            public.write_text(keys[s["keyid"]])
            assert key_id(public) == s["keyid"], "key id"
            sig.write_bytes(base64.b64decode(s["sig"], validate=True))
            openssl("pkeyutl", "-verify", "-rawin", "-pubin", "-inkey", str(public), "-sigfile", str(sig), "-in", str(message))
            good.add(s["keyid"])
    assert len(good) >= root["threshold"], "threshold"
    print(json.dumps({"digest": hashlib.sha256(payload).hexdigest(), "signed_by": sorted(good), "document": json.loads(payload)}))


if __name__ == "__main__":
    {"make": make, "check": check}[sys.argv[1]](pathlib.Path(sys.argv[2]))
