"""The tables of the hash database as peewee models. Only `store` and `schema` know them."""

from __future__ import annotations

from peewee import AutoField, BigIntegerField, BlobField, ForeignKeyField, Model, TextField


class Content(Model):
    """One content, however many files have it."""

    id = AutoField()
    length = BigIntegerField()
    sha1 = BlobField(index=True)
    sha256 = BlobField(unique=True)
    blocks = BlobField()

    class Meta:
        table_name = "content"


class File(Model):
    """One file at one path, as it was when it was hashed. Times are nanoseconds since 1970."""

    id = AutoField()
    path = TextField(unique=True)
    size = BigIntegerField()
    mtime_ns = BigIntegerField()
    ctime_ns = BigIntegerField()
    inode = BigIntegerField()
    hashed_at_ns = BigIntegerField()
    content = ForeignKeyField(Content, column_name="content_id")

    class Meta:
        table_name = "file"
