"""CDK Terrain, which goes on with CDK for Terraform: Terraform's resources in Python. Node.js does the work."""

import json
from collections.abc import Callable

from cdktn import App, TerraformStack
from cdktn_provider_aws.provider import AwsProvider
from cdktn_provider_aws.s3_bucket import S3Bucket
from cdktn_provider_aws.s3_bucket_lifecycle_configuration import (
    S3BucketLifecycleConfiguration,
    S3BucketLifecycleConfigurationRule,
    S3BucketLifecycleConfigurationRuleAbortIncompleteMultipartUpload,
)
from cdktn_provider_aws.s3_bucket_ownership_controls import S3BucketOwnershipControls, S3BucketOwnershipControlsRule
from cdktn_provider_aws.s3_bucket_policy import S3BucketPolicy
from cdktn_provider_aws.s3_bucket_public_access_block import S3BucketPublicAccessBlock
from cdktn_provider_aws.s3_bucket_server_side_encryption_configuration import (
    S3BucketServerSideEncryptionConfigurationA,
    S3BucketServerSideEncryptionConfigurationRuleA,
)
from cdktn_provider_aws.s3_bucket_server_side_encryption_configuration import (
    S3BucketServerSideEncryptionConfigurationRuleApplyServerSideEncryptionByDefaultA as ByDefault,
)
from cdktn_provider_aws.s3_bucket_versioning import (
    S3BucketVersioningA,
    S3BucketVersioningVersioningConfiguration,
)

from benchmarks.peers.measure import Build, Run, Runner, Work, main


def plain(work: Work) -> Build:
    return _synth(work, lambda stack, name: S3Bucket(stack, name, bucket=f"acme-{name}"))


def hardened(work: Work) -> Build:
    return _synth(work, _hardened)


def _hardened(stack: TerraformStack, name: str) -> None:
    bucket = S3Bucket(stack, name, bucket=f"acme-{name}")
    S3BucketVersioningA(
        stack,
        f"{name}-versioning",
        bucket=bucket.id,
        versioning_configuration=S3BucketVersioningVersioningConfiguration(status="Enabled"),
    )
    by_default = ByDefault(sse_algorithm="AES256")
    S3BucketServerSideEncryptionConfigurationA(
        stack,
        f"{name}-encryption",
        bucket=bucket.id,
        rule=[S3BucketServerSideEncryptionConfigurationRuleA(apply_server_side_encryption_by_default=by_default)],
    )
    S3BucketPublicAccessBlock(
        stack,
        f"{name}-public",
        bucket=bucket.id,
        block_public_acls=True,
        block_public_policy=True,
        ignore_public_acls=True,
        restrict_public_buckets=True,
    )
    owner = S3BucketOwnershipControlsRule(object_ownership="BucketOwnerEnforced")
    S3BucketOwnershipControls(stack, f"{name}-owner", bucket=bucket.id, rule=owner)
    S3BucketPolicy(stack, f"{name}-tls", bucket=bucket.id, policy=json.dumps(_tls(bucket.arn)))
    abort = S3BucketLifecycleConfigurationRuleAbortIncompleteMultipartUpload(days_after_initiation=7)
    rule = S3BucketLifecycleConfigurationRule(
        id="abort", status="Enabled", filter=[{}], abort_incomplete_multipart_upload=[abort]
    )
    S3BucketLifecycleConfiguration(stack, f"{name}-lifecycle", bucket=bucket.id, rule=[rule])


def _tls(arn: str) -> dict[str, object]:
    statement = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [arn, f"{arn}/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    return {"Version": "2012-10-17", "Statement": [statement]}


def _synth(work: Work, bucket: Callable[[TerraformStack, str], object]) -> Build:
    def build() -> Run:
        app = App(outdir=str(work.out))
        stack = TerraformStack(app, "buckets")
        AwsProvider(stack, "aws", region="eu-north-1")
        for number in range(work.size):
            bucket(stack, f"bucket-{number}")

        def run() -> int:
            app.synth()
            made = json.loads((work.out / "stacks" / "buckets" / "cdk.tf.json").read_text())
            return len(made["resource"]["aws_s3_bucket"])

        return run

    return build


RUNNER = Runner(
    packages=("cdktn", "cdktn-provider-aws"),
    executor="`app.synth()` from Python, no app of the command line around it",
    cases={"synth:plain": plain, "synth:hardened": hardened},
)

if __name__ == "__main__":
    main(RUNNER)
