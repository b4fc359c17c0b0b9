"""Every dialect of digest headers as origins really send it, every rule about them, and rubbish."""

from __future__ import annotations

import base64
import hashlib
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from addon.digest_dialects import MAX_VALUE_CHARS, READERS, decode
from addon.digest_headers import (
    MAX_CLAIMS,
    MAX_LINES,
    PATH_FIELD,
    STRONGEST_FIRST,
    Claim,
    agree,
    read,
    with_carried,
)
from hashdb.digest import SIZES, Algorithm, Digest

type Fields = list[tuple[str, str]]


def digest(algorithm: Algorithm, content: bytes = b"the file") -> Digest:
    return Digest(algorithm, hashlib.new(algorithm, content).digest())


MD5, SHA1, SHA256, SHA512 = (digest(algorithm) for algorithm in Algorithm)
OTHER_SHA1, OTHER_SHA256 = digest(Algorithm.SHA1, b"another"), digest(Algorithm.SHA256, b"another")


def to_hex(digest: Digest) -> str:
    return digest.value.hex()


def to_base64(digest: Digest) -> str:
    return base64.b64encode(digest.value).decode()


MD5_HEX, SHA1_HEX, SHA256_HEX, SHA512_HEX = map(to_hex, (MD5, SHA1, SHA256, SHA512))
MD5_BASE64, SHA1_BASE64, SHA256_BASE64, SHA512_BASE64 = map(to_base64, (MD5, SHA1, SHA256, SHA512))


def said(fields: Fields, status: int = 200, path: str = "") -> set[Digest]:
    return {claim.digest for claim in read(fields, status=status, path=path)}


S3 = [
    ("x-amz-id-2", "eftixk72aD6Ap51TnqcoF8eFidJG9Z/2"),
    ("x-amz-request-id", "656c76696e6727"),
    ("Server", "AmazonS3"),
]
S3_SUM = [*S3, ("x-amz-checksum-sha256", SHA256_BASE64)]
S3_TAG = ("ETag", f'"{MD5_HEX}"')
S3_WITH_CUSTOMER_KEY = [*S3, S3_TAG, ("x-amz-server-side-encryption-customer-algorithm", "AES256")]

MIRRORBRAIN = [
    ("Server", "Apache/2.2.22 (Linux/SUSE)"),
    ("X-MirrorBrain-Mirror", "ftp.halifax.rwth-aachen.de"),
    ("Link", "<http://ftp5.gwdg.de/pub/file.iso>; rel=duplicate; pri=1; geo=de"),
    ("Digest", f"MD5={MD5_BASE64}"),
    ("Digest", f"SHA={SHA1_BASE64}"),
    ("Digest", f"SHA-256={SHA256_BASE64}"),
    ("Location", "http://ftp.halifax.rwth-aachen.de/opensuse/file.iso"),
    ("Content-Length", "395"),
]
MAVEN_CENTRAL = [
    ("ETag", '"5d41402abc4b2a76b9719d911017c592"'),
    ("X-Checksum-MD5", MD5_HEX),
    ("X-Checksum-SHA1", SHA1_HEX),
    ("Server", "Sonatype"),
]
ARTIFACTORY = [
    ("X-Artifactory-Filename", "lib-1.0.jar"),
    ("ETag", SHA1_HEX),
    ("X-Checksum-Sha1", SHA1_HEX),
    ("X-Checksum-Sha256", SHA256_HEX),
    ("X-Checksum-Md5", MD5_HEX),
]
GCS = [
    ("x-goog-stored-content-encoding", "identity"),
    ("x-goog-stored-content-length", "8"),
    ("x-goog-hash", "crc32c=n03x6A=="),
    ("x-goog-hash", f"md5={MD5_BASE64}"),
    ("x-goog-storage-class", "STANDARD"),
]
AZURE = [
    ("Content-Range", "bytes 0-3/8"),
    ("x-ms-blob-content-md5", MD5_BASE64),
    ("x-ms-blob-type", "BlockBlob"),
]
HUGGING_FACE = [
    ("X-Repo-Commit", "7f0f2e8a6d5c4b3a29181706f5e4d3c2b1a09f8e"),
    ("X-Linked-Size", "8"),
    ("X-Linked-ETag", f'"{SHA256_HEX}"'),
    ("Location", "https://cas-bridge.xethub.hf.co/xet-bridge-us/65c0?Expires=1781098782&Policy=eyJT"),
]
DOCKER = [
    ("Docker-Content-Digest", f"sha256:{SHA256_HEX}"),
    ("Docker-Distribution-Api-Version", "registry/2.0"),
    ("Etag", f'"sha256:{SHA256_HEX}"'),
]
BLOB_PATH = f"/v2/library/ubuntu/blobs/sha256:{SHA256_HEX}"

ROWS: list[tuple[str, int, Fields, set[Digest]]] = [
    ("RFC 9530", 200, [("Repr-Digest", f"sha-256=:{SHA256_BASE64}:, md5=:{MD5_BASE64}:;p=1")], {SHA256, MD5}),
    ("RFC 9530, on a part", 206, [("Repr-Digest", f"sha-256=:{SHA256_BASE64}:")], {SHA256}),
    ("RFC 9530, deprecated", 200, [("Repr-Digest", f"sha=:{SHA1_BASE64}:")], {SHA1}),
    ("Content-Digest", 200, [("Content-Digest", f"sha-512=:{SHA512_BASE64}:")], {SHA512}),
    ("Content-Digest of a part", 206, [("Content-Digest", f"sha-512=:{SHA512_BASE64}:")], set()),
    ("MirrorBrain", 302, MIRRORBRAIN, {MD5, SHA1, SHA256}),
    ("RFC 3230, one line", 200, [("Digest", f"SHA-512={SHA512_BASE64},sha={SHA1_BASE64}")], {SHA512, SHA1}),
    ("RFC 3230, others", 200, [("Digest", f"id-sha-256={SHA256_BASE64},sha3-256={SHA256_BASE64}")], set()),
    ("RFC 3230, hex", 200, [("digest", f"sha-256={SHA256_HEX}")], {SHA256}),
    ("Maven Central", 200, MAVEN_CENTRAL, {SHA1, MD5}),
    ("Artifactory", 206, ARTIFACTORY, {SHA1, SHA256, MD5}),
    ("mirror at Google", 200, [("x-goog-meta-checksum-sha1", SHA1_HEX)], {SHA1}),
    ("mirror at Amazon", 302, [("x-amz-meta-checksum-sha1", SHA1_HEX)], {SHA1}),
    ("mirror at Amazon, MD5", 206, [("x-amz-meta-checksum-md5", MD5_HEX)], {MD5}),
    ("Nexus", 200, [("Server", "Nexus/3.61.0-02 (OSS)"), ("ETag", f'"{{SHA1{{{SHA1_HEX}}}}}"')], {SHA1}),
    ("Nexus, on a part", 206, [("ETag", f'"{{SHA1{{{SHA1_HEX}}}}}"')], {SHA1}),
    ("S3", 200, [*S3_SUM, ("x-amz-checksum-type", "FULL_OBJECT")], {SHA256}),
    ("S3, no type", 200, [*S3, ("x-amz-checksum-sha1", SHA1_BASE64)], {SHA1}),
    ("S3 composite", 200, [*S3, ("x-amz-checksum-sha1", f"{SHA1_BASE64}-7")], set()),
    ("S3 composite by type", 200, [*S3_SUM, ("x-amz-checksum-type", "COMPOSITE")], set()),
    # From a Range that begins at 0, S3 gives the composite sum without its suffix.
    ("S3 on a part", 206, S3_SUM, set()),
    ("S3 tag", 200, [*S3, S3_TAG], {MD5}),
    ("S3 tag on a part", 206, [*S3, S3_TAG], {MD5}),
    ("MinIO tag", 200, [("Server", "MinIO"), S3_TAG], {MD5}),
    ("S3 multipart tag", 200, [*S3, ("ETag", f'"{MD5_HEX}-13"')], set()),
    ("S3 tag under SSE-S3", 200, [*S3, S3_TAG, ("x-amz-server-side-encryption", "AES256")], {MD5}),
    ("S3 tag under SSE-KMS", 200, [*S3, S3_TAG, ("x-amz-server-side-encryption", "aws:kms")], set()),
    ("S3 tag under SSE-C", 200, S3_WITH_CUSTOMER_KEY, set()),
    ("S3 directory bucket", 200, [*S3, S3_TAG, ("x-amz-storage-class", "EXPRESS_ONEZONE")], set()),
    ("32 digits elsewhere", 200, [("Server", "nginx"), ("x-amz-cf-id", "Yk2H=="), S3_TAG], set()),
    ("GCS", 200, GCS, {MD5}),
    ("GCS, one line, on a part", 206, [("X-Goog-Hash", f"crc32c=n03x6A==,md5={MD5_BASE64}")], {MD5}),
    ("GCS decoded", 200, [("x-goog-stored-content-encoding", "gzip"), *GCS[2:]], set()),
    ("Azure, on a part", 206, AZURE, {MD5}),
    ("Content-MD5", 200, [("Content-MD5", MD5_BASE64)], {MD5}),
    ("Content-MD5 of a part", 206, [("Content-MD5", MD5_BASE64)], set()),
    ("Hugging Face", 302, HUGGING_FACE, {SHA256}),
    ("Hugging Face, git blob", 200, [("X-Linked-ETag", f'"{SHA1_HEX}"')], set()),
    ("Docker", 200, DOCKER, {SHA256}),
    ("Backblaze", 200, [("X-Bz-Content-Sha1", SHA1_HEX), ("X-Bz-File-Name", "a.iso")], {SHA1}),
    ("Backblaze, large", 200, [("X-Bz-Content-Sha1", "none")], set()),
    ("Backblaze, unverified", 200, [("X-Bz-Content-Sha1", f"unverified:{SHA1_HEX}")], set()),
    ("GitLab", 200, [("X-Gitlab-Content-Sha256", SHA256_HEX)], {SHA256}),
    ("Nextcloud", 200, [("OC-Checksum", f"SHA1:{SHA1_HEX}"), ("OC-ETag", '"6436d084d4805"')], {SHA1}),
    ("ownCloud, several", 200, [("OC-Checksum", f"SHA1:{SHA1_HEX} MD5:{MD5_HEX} ADLER32:1da9")], {SHA1, MD5}),
]  # fmt: skip


@pytest.mark.parametrize(("status", "fields", "expected"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_what_origins_send(status: int, fields: Fields, expected: set[Digest]) -> None:
    assert said(fields, status) == expected


def test_a_claim_names_its_field() -> None:
    assert read(MAVEN_CENTRAL, status=200) == (Claim(MD5, "x-checksum-md5"), Claim(SHA1, "x-checksum-sha1"))


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (BLOB_PATH, {SHA256}),
        (f"{BLOB_PATH}?ns=docker.io", {SHA256}),
        (BLOB_PATH.replace(":", "%3A"), {SHA256}),
        (f"/v2/app/blobs/sha512:{SHA512_HEX}", {SHA512}),
        (f"/v2/app/blobs/sha512:{SHA256_HEX}", set()),
        (f"/v2/app/manifests/sha256:{SHA256_HEX}", set()),
        (f"/download?next=/blobs/sha256:{SHA256_HEX}", set()),
        (f"{BLOB_PATH}/../other", set()),
        ("/v2/app/blobs/uploads/", set()),
    ],
)
def test_blob_paths(path: str, expected: set[Digest]) -> None:
    assert said([], path=path) == expected
    assert said([], 307, path) == expected
    assert {claim.field for claim in read([], status=200, path=path)} <= {PATH_FIELD}


@pytest.mark.parametrize("coding", ["gzip", "br", "identity, gzip", "aws-chunked", "GZIP"])
def test_coded_responses_claim_nothing(coding: str) -> None:
    assert not said([*ARTIFACTORY, ("Content-Encoding", coding)], path=BLOB_PATH)


@pytest.mark.parametrize("coding", ["identity", "Identity", "", " identity , identity"])
def test_the_identity_coding_is_none(coding: str) -> None:
    assert said([("content-encoding", coding), *MAVEN_CENTRAL]) == {SHA1, MD5}


@pytest.mark.parametrize("status", [-1, 0, 100, 203, 204, 304, 401, 404, 416, 500, 10**30])
def test_only_answers_that_stand_for_the_file_claim(status: int) -> None:
    assert not said(ARTIFACTORY, status, BLOB_PATH)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_carry_no_digest_of_their_own_page(status: int) -> None:
    own = [
        ("Content-Digest", f"sha-256=:{SHA256_BASE64}:"),
        ("Content-MD5", MD5_BASE64),
        ("ETag", f'"{{SHA1{{{SHA1_HEX}}}}}"'),
        *S3,
        S3_TAG,
    ]
    assert not said(own, status)
    assert said([*own, *MIRRORBRAIN], status) == {MD5, SHA1, SHA256}


@pytest.mark.parametrize("tag", ['W/"%s"', "W/%s", '"%s--gzip"', '"%s-2"', '"x%s"', '"%s", "%s"'])
def test_weak_and_odd_tags_are_no_claims(tag: str) -> None:
    nexus = tag.replace("%s", f"{{SHA1{{{SHA1_HEX}}}}}")
    linked = tag.replace("%s", SHA256_HEX)
    assert not said([*S3, ("ETag", nexus), ("ETag", tag.replace("%s", MD5_HEX)), ("X-Linked-ETag", linked)])


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (f"SHA-256=:{SHA256_BASE64}:", {SHA256}),  # keys are lower-case
        (f"sha-256={SHA256_BASE64}", {SHA256}),  # no colons
        (f"sha-256={SHA256_HEX}", {SHA256}),
        (f"sha-256=:{SHA256_HEX.upper()}:", {SHA256}),
        (f'sha-256="{SHA256_HEX}"', {SHA256}),
        (f"sha-256=:{SHA256_BASE64}:, sha-512=:rubbish", {SHA256}),
        (f"???, sha-512=:{SHA512_BASE64}:,", {SHA512}),
        (f"unixsum=30637, sha=:{SHA1_BASE64}:", {SHA1}),
        (f'note="a, sha-256=:{to_base64(OTHER_SHA256)}:", sha-256=:{SHA256_BASE64}:', {SHA256}),
        (f"sha-256=:{SHA256_BASE64}:, sha-256=:{to_base64(OTHER_SHA256)}:", {SHA256, OTHER_SHA256}),
        (f"sha-256=(:{SHA256_BASE64}:)", set()),
        (f"id-sha-256=:{SHA256_BASE64}:", set()),
        ("sha-256=1, sha-512=?1, md5=@1, sha=%00", set()),
        ("sha-256=:" + SHA1_BASE64 + ":", set()),
    ],
)
def test_sloppy_structured_fields(line: str, expected: set[Digest]) -> None:
    assert said([("Repr-Digest", line)]) == expected


def test_a_bad_line_loses_no_other() -> None:
    lines = [
        ("Repr-Digest", "sha-256=:%%"),
        ("Repr-Digest", f"sha-512=:{SHA512_BASE64}:"),
        ("Repr-Digest", "\x00é"),
    ]
    assert said(lines) == {SHA512}


def test_lines_that_a_proxy_joined() -> None:
    assert said([("X-Checksum-Sha1", f"{SHA1_HEX}, {SHA1_HEX}")]) == {SHA1}


def test_claims_that_disagree_cancel_and_others_stay() -> None:
    claims = read([*MIRRORBRAIN, ("X-Checksum-Sha1", to_hex(OTHER_SHA1))], status=302)
    assert {claim.digest for claim in claims} == {MD5, SHA1, OTHER_SHA1, SHA256}
    assert agree(claims) == {Algorithm.SHA256: Claim(SHA256, "digest"), Algorithm.MD5: Claim(MD5, "digest")}


def test_agreement_is_strongest_first_and_names_the_first_field() -> None:
    claims = [Claim(each, "a") for each in (MD5, SHA1, SHA256, SHA512)] + [Claim(SHA1, "b")]
    assert list(agree(claims).items()) == [
        (Algorithm.SHA512, Claim(SHA512, "a")),
        (Algorithm.SHA256, Claim(SHA256, "a")),
        (Algorithm.SHA1, Claim(SHA1, "a")),
        (Algorithm.MD5, Claim(MD5, "a")),
    ]
    assert agree([]) == {}


def test_the_own_header_wins_over_a_carried_claim() -> None:
    own = (Claim(SHA1, "x-checksum-sha1"), Claim(OTHER_SHA1, "etag"))
    carried = (Claim(SHA1, "digest", carried=True), Claim(SHA256, "digest", carried=True))
    both = with_carried(own, carried)
    assert both == (*own, Claim(SHA256, "digest"))
    assert [claim.carried for claim in both] == [False, False, True]
    assert list(agree(both)) == [Algorithm.SHA256]


def test_a_value_is_read_up_to_its_limit() -> None:
    value = f"sha-256=:{SHA256_BASE64}:"
    fits = value.ljust(MAX_VALUE_CHARS)
    assert said([("Repr-Digest", fits)]) == {SHA256}
    assert not said([("Repr-Digest", fits + " ")])
    padded = "/" + "x" * (MAX_VALUE_CHARS - len(BLOB_PATH) - 1) + BLOB_PATH
    assert said([], path=padded + "?" + "q" * 5000) == {SHA256}
    assert not said([], path="/" + padded)


def test_lines_are_read_up_to_their_limit() -> None:
    rubbish = [("Digest", "rubbish")] * (MAX_LINES - 1)
    others = [("Set-Cookie", "a=b")] * 1000
    line = ("Digest", f"SHA={SHA1_BASE64}")
    assert said([*others, *rubbish, line]) == {SHA1}
    assert not said([*rubbish, rubbish[0], line])


def test_claims_are_kept_up_to_their_limit() -> None:
    fields = [("X-Checksum-Md5", hashlib.md5(bytes([n])).hexdigest()) for n in range(MAX_CLAIMS + 1)]  # noqa: S324
    claims = read(fields, status=200, path=BLOB_PATH)
    assert [claim.digest.value.hex() for claim in claims] == [value for _, value in fields[:MAX_CLAIMS]]


@pytest.mark.parametrize(
    "unit",
    ["sha", "sha-256=", "md5= ", ":", "a=1,", "a=(", '"', "=", "\t", "sha-256=:", "A" * 64 + "=", "/blobs/"],
)
def test_hostile_lines_take_no_time(unit: str) -> None:
    value, huge = (unit * MAX_VALUE_CHARS)[:MAX_VALUE_CHARS], (unit * 1_000_000)[:1_000_000]
    begin = time.perf_counter()
    read([(name, value) for name in READERS for _ in range(10)], status=200, path=value)
    read([("Digest", huge), ("ETag", huge), ("Content-Encoding", "," * 1_000_000)], status=200, path=huge)
    assert time.perf_counter() - begin < 2  # some 20 ms; a quadratic search takes minutes


DIGESTS = st.sampled_from(Algorithm).flatmap(
    lambda algorithm: st.binary(min_size=SIZES[algorithm], max_size=SIZES[algorithm]).map(
        lambda value: Digest(algorithm, value)
    )
)


@st.composite
def spellings(draw: st.DrawFn, digest: Digest) -> str:
    """Any spelling of a digest that is accepted where a bare value belongs."""
    text = draw(
        st.sampled_from(
            [
                to_hex(digest),
                to_hex(digest).upper(),
                to_base64(digest),
                to_base64(digest).rstrip("="),
                base64.urlsafe_b64encode(digest.value).decode(),
            ]
        )
    )
    return draw(st.sampled_from(["%s", '"%s"', " %s\t", ":%s:", "'%s'"])) % text


@settings(deadline=None)
@given(st.data(), DIGESTS)
def test_any_spelling_is_read_back_from_any_dialect(data: st.DataObject, digest: Digest) -> None:
    spelling = data.draw(spellings(digest))
    assert decode(spelling, digest.algorithm) == digest
    name = {Algorithm.SHA1: "SHA"}.get(digest.algorithm, digest.algorithm.upper().replace("SHA", "SHA-"))
    wire = data.draw(st.sampled_from([name, name.lower(), digest.algorithm.value]))
    plain = data.draw(st.sampled_from(["X-Checksum-", "x-goog-meta-checksum-", "x-amz-meta-checksum-"]))
    paired = data.draw(st.sampled_from(["Digest", "Repr-Digest", "Content-Digest", "x-goog-hash", "OC-Checksum"]))
    assert said([(plain + digest.algorithm, spelling)]) == {digest}
    assert said([(paired, f"crc32c=n03x6A==, {wire}={spelling}")]) == {digest}


TEXT = st.text() | st.text(st.sampled_from("shamd5-12 64=:;,\"'{}()?@%/+\tA\x00é\ud800"), max_size=80)
ODD_LINES = st.tuples(st.sampled_from(sorted(READERS)) | TEXT, TEXT)
REAL_LINES = st.sampled_from([line for row in ROWS for line in row[2]])


@settings(deadline=None)
@given(
    st.lists(ODD_LINES | REAL_LINES, max_size=40),
    st.sampled_from([200, 206, 302]) | st.integers(),
    TEXT | st.just(BLOB_PATH),
)
def test_rubbish_never_raises_and_claims_are_well_formed(fields: Fields, status: int, path: str) -> None:
    claims = read(fields, status=status, path=path)
    assert len(claims) <= MAX_CLAIMS
    for claim in claims:
        assert len(claim.digest.value) == SIZES[claim.digest.algorithm]
        assert claim.field == PATH_FIELD or claim.field in READERS


@settings(deadline=None)
@given(st.lists(st.builds(Claim, st.sampled_from([MD5, SHA1, OTHER_SHA1, SHA256, OTHER_SHA256]), st.just("digest"))))
def test_no_cancelled_claim_is_agreed(claims: list[Claim]) -> None:
    agreed = agree(claims)
    for algorithm in STRONGEST_FIRST:
        values = {claim.digest for claim in claims if claim.digest.algorithm is algorithm}
        assert ({agreed[algorithm].digest} if algorithm in agreed else set()) == (values if len(values) == 1 else set())
