"""AWS CDK: a bucket each, in stacks of 200, as CloudFormation takes 500 resources a stack. Node.js does the work."""

from collections.abc import Callable

from aws_cdk import App, Duration, Stack
from aws_cdk import aws_s3 as s3

from benchmarks.peers.measure import Build, Run, Runner, Work, main

_IN_A_STACK = 200


def plain(work: Work) -> Build:
    return _synth(work, lambda stack, name: s3.Bucket(stack, name, bucket_name=f"acme-{name}"))


def hardened(work: Work) -> Build:
    def bucket(stack: Stack, name: str) -> object:
        return s3.Bucket(
            stack,
            name,
            bucket_name=f"acme-{name}",
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            encryption=s3.BucketEncryption.S3_MANAGED,
            enforce_ssl=True,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            versioned=True,
            lifecycle_rules=[s3.LifecycleRule(abort_incomplete_multipart_upload_after=Duration.days(7))],
        )

    return _synth(work, bucket)


def _synth(work: Work, bucket: Callable[[Stack, str], object]) -> Build:
    def build() -> Run:
        app = App(outdir=str(work.out))
        for first in range(0, work.size, _IN_A_STACK):
            stack = Stack(app, f"buckets-{first}")
            for number in range(first, min(first + _IN_A_STACK, work.size)):
                bucket(stack, f"bucket-{number}")

        def run() -> int:
            app.synth()
            return sum(file.read_text().count('"AWS::S3::Bucket"') for file in work.out.glob("*.template.json"))

        return run

    return build


RUNNER = Runner(
    packages=("aws-cdk-lib",),
    executor="`app.synth()` from Python, no app of the command line around it",
    cases={"synth:plain": plain, "synth:hardened": hardened},
)

if __name__ == "__main__":
    main(RUNNER)
