"""Writes server.properties from the KAFKA_ variables, formats the data where there is none, and becomes the broker."""

import os
import subprocess

PROPERTIES = "/tmp/server.properties"
JAVA = ["/opt/kafka/java/bin/java", "-Xmx512M", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", "/opt/kafka/libs/*"]

with open(PROPERTIES, "w") as file:  # noqa: PTH123  # this runs alone, in a container
    for name, value in sorted(os.environ.items()):
        if name.startswith("KAFKA_"):
            file.write(f"{name.removeprefix('KAFKA_').lower().replace('_', '.')}={value}\n")
cluster = os.environ.get("CLUSTER_ID", "4L6g3nShT-eMCtK--X86sw")
tool = ["kafka.tools.StorageTool", "format", "--ignore-formatted", "--cluster-id", cluster, "--config", PROPERTIES]
subprocess.run([*JAVA, *tool], check=True)
os.execv(JAVA[0], [*JAVA, "kafka.Kafka", PROPERTIES])
