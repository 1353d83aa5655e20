"""An S3 server for tests: `moto`, in memory, on a free loopback port.

Makes the buckets the tests use, prints one line of JSON with the address and a credential that is
allowed everything, and serves until its standard input ends. Nobody else is let in.
"""

import json
import os
import sys

# Requests by which the credential itself is made; from then on every one is checked.
os.environ["INITIAL_NO_AUTH_ACTION_COUNT"] = "3"
os.environ.setdefault("AWS_EC2_METADATA_DISABLED", "true")

import boto3
from moto.server import ThreadedMotoServer

REGION = "us-east-1"
EVERYTHING = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}],
}


def credential(endpoint):
    iam = boto3.client(
        "iam",
        endpoint_url=endpoint,
        region_name=REGION,
        aws_access_key_id="nobody",
        aws_secret_access_key="nothing",
    )
    iam.create_user(UserName="branch")
    key = iam.create_access_key(UserName="branch")["AccessKey"]
    iam.put_user_policy(
        UserName="branch", PolicyName="all", PolicyDocument=json.dumps(EVERYTHING)
    )
    return key["AccessKeyId"], key["SecretAccessKey"]


def make_buckets(s3):
    for name in ("plain", "keys"):
        s3.create_bucket(Bucket=name)
    s3.create_bucket(Bucket="versioned")
    s3.put_bucket_versioning(
        Bucket="versioned", VersioningConfiguration={"Status": "Enabled"}
    )
    s3.create_bucket(Bucket="lockable", ObjectLockEnabledForBucket=True)
    s3.create_bucket(Bucket="locked", ObjectLockEnabledForBucket=True)
    s3.put_object_lock_configuration(
        Bucket="locked",
        ObjectLockConfiguration={
            "ObjectLockEnabled": "Enabled",
            "Rule": {"DefaultRetention": {"Mode": "COMPLIANCE", "Days": 1}},
        },
    )


def main():
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    access_key, secret_key = credential(endpoint)
    s3 = boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name=REGION,
        aws_access_key_id=access_key,
        aws_secret_access_key=secret_key,
    )
    make_buckets(s3)
    print(
        json.dumps({"port": port, "access_key": access_key, "secret_key": secret_key}),
        flush=True,
    )
    sys.stdin.read()
    server.stop()


if __name__ == "__main__":
    main()
