"""Images in a bucket: a suite whose image store is S3, as moto serves it.

    python tests/clients/s3/run.py target/debug/souk
"""

import hashlib
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import boto3
import httpx

sys.path.insert(0, str(Path(__file__).parents[1]))
from suite import eventually, running  # noqa: E402

# a part of an upload to S3 has 5 MiB
LARGE = 12 << 20
BUCKET, FOLDER = "shop", "pictures"
KEYS = {"AWS_ACCESS_KEY_ID": "souk", "AWS_SECRET_ACCESS_KEY": "a secret", "AWS_REGION": "eu-central-1"}
LIMIT = 60


def png(size):
    return b"\x89PNG\r\n\x1a\n\0\0\0\r" + os.urandom(size - 12)


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class S3:
    def __init__(self):
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.process = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self.client = boto3.client(
            "s3",
            endpoint_url=self.url,
            region_name=KEYS["AWS_REGION"],
            aws_access_key_id=KEYS["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=KEYS["AWS_SECRET_ACCESS_KEY"],
        )
        eventually("S3 is ready", LIMIT, self.is_ready)
        self.client.create_bucket(
            Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": KEYS["AWS_REGION"]}
        )

    def is_ready(self):
        try:
            return httpx.get(self.url).status_code == 200
        except httpx.TransportError:
            return False

    def objects(self):
        found = self.client.list_objects_v2(Bucket=BUCKET).get("Contents", [])
        return {entry["Key"]: entry["Size"] for entry in found}

    def images(self):
        return {key: size for key, size in self.objects().items() if "/img_" in key}

    def unfinished(self):
        return self.client.list_multipart_uploads(Bucket=BUCKET).get("Uploads", [])


def shop(suite):
    """A client of the admin, and a product."""
    email, password = suite.admin()
    client = httpx.Client(base_url=f"http://{suite.http}", timeout=LIMIT)
    form = {"grant_type": "password", "username": email, "password": password}
    token = client.post("/v1/auth/token", data=form).json()["access_token"]
    client.headers["authorization"] = f"Bearer {token}"
    made = client.post("/v2/products", json={"sku": "CUP", "name": "A cup", "price": 5})
    return client, f"/v2/products/{made.json()['id']}/images"


def follow(suite, s3):
    client, images = shop(suite)
    kept = {}
    for size in (1_000, LARGE):
        body = png(size)
        made = client.post(images, files={"file": ("cup.png", body, "image/png")})
        assert made.status_code == 201, made.text
        image = made.json()
        assert image["sha256"] == hashlib.sha256(body).hexdigest()
        kept[image["id"]] = body
    assert sorted(s3.images().values()) == [1_000, LARGE], s3.objects()
    assert all(key.startswith(f"{FOLDER}/") for key in s3.objects()), s3.objects()

    for name, body in kept.items():
        assert client.get(f"/v2/images/{name}").content == body
        part = client.get(f"/v2/images/{name}", headers={"range": "bytes=500-699"})
        assert (part.status_code, part.content) == (206, body[500:700])

    refused = client.post(images, content=b"<svg/>" * 2_000_000, headers={"content-type": "image/png"})
    assert refused.status_code == 415, refused.text
    broken_off(suite, client, images)
    eventually("nothing is left of what was broken off", LIMIT, lambda: not s3.unfinished())
    assert len(s3.images()) == 2, s3.objects()

    for name in kept:
        assert client.delete(f"/v2/images/{name}").status_code == 204
    eventually("their objects are deleted", LIMIT, lambda: not s3.images())
    assert list(s3.objects()) == [f"{FOLDER}/catalog"], "the mark stays"


def broken_off(suite, client, images):
    """An upload whose client leaves when some of it is stored."""

    def pieces():
        yield png(LARGE)
        time.sleep(1)
        raise ConnectionError("gone")

    headers = {"content-type": "image/png", "content-length": str(2 * LARGE)}
    try:
        client.post(images, content=pieces(), headers=headers)
    except (ConnectionError, httpx.TransportError):
        pass


def main(binary):
    s3 = S3()
    try:
        settings = KEYS | {"AWS_ENDPOINT_URL": s3.url, "AWS_ALLOW_HTTP": "true"}
        with running(binary, SOUK_IMAGE_STORE=f"s3://{BUCKET}/{FOLDER}", **settings) as suite:
            follow(suite, s3)
    finally:
        s3.process.kill()
        s3.process.wait()
    print("images are kept in S3, and go from there")


if __name__ == "__main__":
    main(sys.argv[1])
