"""The Terraform printer: text as `terraform fmt` lays it out, whatever the values."""

import shutil
import subprocess
from pathlib import Path
from typing import Any, cast

import hcl2
import pytest

from glacier.blueprint import (
    AssetPath,
    Because,
    Block,
    Blueprint,
    Declaration,
    Either,
    Json,
    Output,
    Plugin,
    Value,
    Variable,
    Waiver,
    text,
)
from glacier.codegen.terraform import Options, files
from glacier.codegen.terraform.hcl import expression
from glacier.errors import ConfigError

RAW = Declaration(
    "aws_s3_bucket",
    "raw",
    "storage",
    {"bucket": "acme-raw", "force_destroy": False, "tags": {"managed-by": "glacier", "a.b": "c"}},
    keeps_data=True,
    ignored=("tags",),
    because=(Because("bucket raw", "etl.py:3"),),
    waivers=(Waiver("CKV_AWS_18", "access logs cost"),),
)
IMAGE = Variable(
    "image", "string", "The image, with its tag.", nullable=True, pattern="^.+[:@].+$", complaint='Give "name:tag".'
)
LIFECYCLE = Declaration(
    "aws_s3_bucket_lifecycle_configuration",
    "raw",
    "storage",
    {
        "bucket": RAW.ref("id"),
        "rule": (
            Block({"id": "abort", "status": "Enabled", "filter": Block({}), "days": Block({"after_initiation": 7})}),
            Block({"id": "long", "none": None, "empty": ()}),
        ),
    },
    after=(RAW.ref(),),
)
POLICY = Declaration(
    "aws_iam_role_policy",
    "main",
    "access",
    {
        "role": "main",
        "policy": Json(
            {
                "Version": "2012-10-17",
                "Statement": (
                    {
                        "Effect": "Allow",
                        "Action": ("s3:GetObject", "s3:PutObject"),
                        "Resource": text(RAW.ref("arn"), "/2024/*"),
                        "Condition": {"StringLike": {"s3:prefix": ("2024/*",)}},
                    },
                ),
            }
        ),
    },
)
JOB = Declaration(
    "aws_ecs_task_definition",
    "main",
    "jobs",
    {
        "family": "sales",
        "image": Either((IMAGE, text(RAW.ref("id"), ":1"))),
        "source": AssetPath("functions/a.zip"),
        "cpu": 0.25,
        "memory": 1024,
        "command": tuple(f"--argument-{number}" for number in range(9)),
        "first": RAW.ref("identity", 0, "principal_id"),
        "nested": ({"name": "main", "list": ({"deep": ("a", "b")}, {})},),
    },
)
BLUEPRINT = Blueprint(
    "sales",
    "AWS",
    (
        Plugin(
            "aws",
            "hashicorp/aws",
            ">= 6.0, < 7.0",
            {"region": "us-east-1", "default_tags": Block({"tags": {"a": "b"}})},
        ),
    ),
    (RAW, LIFECYCLE, POLICY, JOB),
    outputs=(Output("bucket_raw", RAW.ref("bucket"), "The bucket `raw`."),),
)


def test_files_by_concern() -> None:
    texts = files(BLUEPRINT)
    assert list(texts) == ["versions.tf", "variables.tf", "storage.tf", "jobs.tf", "access.tf", "outputs.tf"]
    assert texts["storage.tf"] == STORAGE
    assert texts["variables.tf"] == VARIABLES


STORAGE = """# Buckets.

# bucket raw (etl.py:3)
resource "aws_s3_bucket" "raw" {
  #checkov:skip=CKV_AWS_18:access logs cost
  bucket        = "acme-raw"
  force_destroy = false
  tags = {
    managed-by = "glacier"
    "a.b"      = "c"
  }

  lifecycle {
    prevent_destroy = true
    ignore_changes  = [tags]
  }
}

resource "aws_s3_bucket_lifecycle_configuration" "raw" {
  bucket = aws_s3_bucket.raw.id

  rule {
    id     = "abort"
    status = "Enabled"

    filter {}

    days {
      after_initiation = 7
    }
  }

  rule {
    id = "long"
  }

  depends_on = [aws_s3_bucket.raw]
}
"""
VARIABLES = """variable "image" {
  type        = string
  description = "The image, with its tag."
  default     = null

  validation {
    condition     = var.image == null || can(regex("^.+[:@].+$", var.image))
    error_message = "Give \\"name:tag\\"."
  }
}
"""


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ('a "b" \\ c', '"a \\"b\\" \\\\ c"'),
        ("line\nline\ttab", '"line\\nline\\ttab"'),
        ("${not} %{this} $5", '"$${not} %%{this} $5"'),
        ("æøå 漢", '"æøå 漢"'),
        (True, "true"),
        (0.5, "0.5"),
        (1e9, "1000000000"),
        (12_345_678, "12345678"),
        ((), "[]"),
        ({}, "{}"),
        (Json({"a": None, "b": (1, "x")}), 'jsonencode({ a = null, b = [1, "x"] })'),
        (text(RAW.ref("arn"), "/${x}"), '"${aws_s3_bucket.raw.arn}/$${x}"'),
    ],
)
def test_values_are_escaped(value: Value, written: str) -> None:
    assert expression(value) == written
    parsed = cast("dict[str, Any]", hcl2.loads(f"a = {written}\n"))
    assert "a" in parsed


@pytest.mark.parametrize("backend", [None, "s3"])
def test_what_is_printed_is_as_fmt_would_have_it(tmp_path: Path, backend: str | None) -> None:
    values: dict[str, dict[str, Value]] = {"dev": {"image": "a:b", "long_name": ("x", "y")}, "prod": {}}
    for name, content in files(BLUEPRINT, Options(backend, values)).items():
        (tmp_path / name).write_text(content)
        if name.endswith(".tf"):
            hcl2.loads(content)
    terraform = shutil.which("terraform")
    if terraform is not None:
        command = [terraform, "fmt", "-check", "-diff", str(tmp_path)]
        checked = subprocess.run(command, check=False, capture_output=True, text=True)
        assert (checked.returncode, checked.stdout) == (0, "")


def test_one_address_twice_is_told_with_both_lines() -> None:
    again = Declaration("aws_s3_bucket", "raw", "storage", {}, because=(Because("bucket Raw", "etl.py:9"),))
    with pytest.raises(ConfigError, match=r"pipeline `sales` would declare `aws_s3_bucket\.raw` twice"):
        Blueprint("sales", "AWS", (), (RAW, again))


def test_a_reference_to_nothing_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"`aws_iam_role_policy\.main` refers to `aws_s3_bucket\.raw`, which is not"):
        Blueprint("sales", "AWS", (), (POLICY,))
