"""Five clients with one interface. `produce` sends values in order and returns after all are acknowledged;
`consume` returns all values of a topic, or the values that a group has not committed.

`available()` leaves out a client that is not installed, and prints the reason."""

import asyncio
import json
import os
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]
TIMEOUT = 60


class Kcat:
    name = "kcat"
    codecs = CODECS

    def __init__(self):
        self.binary = shutil.which("kcat")
        if not self.binary:
            raise ImportError("no kcat")

    def produce(self, broker, topic, values, codec="none", acks="all", idempotent=False):
        command = [self.binary, "-q", "-b", broker, "-P", "-t", topic, "-z", codec]
        command += ["-X", f"acks={acks}", "-X", f"enable.idempotence={str(idempotent).lower()}"]
        subprocess.run(command, input=b"\n".join(values), check=True, timeout=TIMEOUT)

    def consume(self, broker, topic, count, max_bytes=None):
        command = [self.binary, "-q", "-b", broker, "-C", "-t", topic, "-c", str(count), "-u"]
        command += ["-X", "check.crcs=true", "-o", "beginning"]
        if max_bytes:
            command += ["-X", f"fetch.message.max.bytes={max_bytes}"]
            command += ["-X", f"fetch.max.bytes={max_bytes}", "-X", f"message.max.bytes={max_bytes}"]
            command += ["-X", "receive.message.max.bytes=2000000"]
        done = subprocess.run(command, capture_output=True, check=True, timeout=TIMEOUT)
        return done.stdout.split(b"\n")[:-1]


class Confluent:
    name = "confluent-kafka"
    codecs = CODECS

    def __init__(self):
        import confluent_kafka

        self.lib = confluent_kafka

    def produce(self, broker, topic, values, codec="none", acks="all", idempotent=False):
        config = {"compression.type": codec, "acks": acks, "enable.idempotence": idempotent}
        producer = self.lib.Producer({"bootstrap.servers": broker, "linger.ms": 5, **config})
        failed = []
        keep_failure = lambda error, _: failed.append(error) if error else None
        for value in values:
            while True:
                try:
                    producer.produce(topic, value, on_delivery=keep_failure)
                    break
                except BufferError:
                    producer.poll(0.1)
        if producer.flush(TIMEOUT) or failed:
            raise RuntimeError(f"not delivered: {failed[:1]}")

    def consume(self, broker, topic, count, group=None, max_bytes=None):
        config = {"bootstrap.servers": broker, "check.crcs": True, "enable.auto.commit": False}
        config |= {"auto.offset.reset": "earliest", "group.id": group or "none"}
        if max_bytes:
            config |= {"fetch.message.max.bytes": max_bytes, "fetch.max.bytes": max_bytes}
            config |= {"message.max.bytes": max_bytes}
        consumer = self.lib.Consumer(config)
        if group:
            consumer.subscribe([topic])
        else:
            consumer.assign([self.lib.TopicPartition(topic, 0, 0)])
        values = []
        while len(values) < count:
            got = consumer.consume(count - len(values), TIMEOUT)
            if not got:
                raise TimeoutError(f"{len(values)} of {count} records")
            for message in got:
                if message.error():
                    raise RuntimeError(message.error())
                values.append(message.value())
        if group:
            consumer.commit(asynchronous=False)
        consumer.close()
        return values


class KafkaPython:
    name = "kafka-python"
    codecs = CODECS

    def __init__(self):
        import kafka

        self.lib = kafka

    def produce(self, broker, topic, values, codec="none", acks="all", idempotent=False):
        producer = self.lib.KafkaProducer(
            bootstrap_servers=broker,
            compression_type=None if codec == "none" else codec,
            acks=acks if acks == "all" else int(acks),
            enable_idempotence=idempotent,
            linger_ms=5,
        )
        sent = [producer.send(topic, value) for value in values]
        producer.flush(TIMEOUT)
        for future in sent:
            future.get(TIMEOUT)
        producer.close()

    def consume(self, broker, topic, count, group=None, max_bytes=None):
        options = {}
        if max_bytes:
            options = {"max_partition_fetch_bytes": max_bytes, "fetch_max_bytes": max_bytes}
        consumer = self.lib.KafkaConsumer(
            bootstrap_servers=broker,
            group_id=group,
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            consumer_timeout_ms=TIMEOUT * 1000,
            check_crcs=True,
            **options,
        )
        if group:
            consumer.subscribe([topic])
        else:
            partition = self.lib.TopicPartition(topic, 0)
            consumer.assign([partition])
            consumer.seek_to_beginning(partition)
        values = []
        for record in consumer:
            values.append(record.value)
            if len(values) == count:
                break
        if group:
            consumer.commit()
        consumer.close()
        return values


class Aiokafka:
    name = "aiokafka"
    codecs = CODECS

    def __init__(self):
        import aiokafka

        self.lib = aiokafka

    def produce(self, broker, topic, values, codec="none", acks="all", idempotent=False):
        async def run():
            producer = self.lib.AIOKafkaProducer(
                bootstrap_servers=broker,
                compression_type=None if codec == "none" else codec,
                acks=acks if acks == "all" else int(acks),
                enable_idempotence=idempotent,
                linger_ms=5,
            )
            await producer.start()
            try:
                sent = [await producer.send(topic, value) for value in values]
                await asyncio.wait_for(asyncio.gather(*sent), TIMEOUT)
            finally:
                await producer.stop()

        asyncio.run(run())

    def consume(self, broker, topic, count, group=None, max_bytes=None):
        async def run():
            options = {}
            if max_bytes:
                options = {"max_partition_fetch_bytes": max_bytes, "fetch_max_bytes": max_bytes}
            consumer = self.lib.AIOKafkaConsumer(
                topic,
                bootstrap_servers=broker,
                group_id=group,
                auto_offset_reset="earliest",
                enable_auto_commit=False,
                check_crcs=True,
                **options,
            )
            await consumer.start()
            values = []
            try:
                while len(values) < count:
                    record = await asyncio.wait_for(consumer.getone(), TIMEOUT)
                    values.append(record.value)
                if group:
                    await consumer.commit()
            finally:
                await consumer.stop()
            return values

        return asyncio.run(run())


class Kafkajs:
    name = "kafkajs"
    # Its other codecs are add-ons that need a compiler.
    codecs = ["none", "gzip", "snappy"]

    def __init__(self):
        self.modules = os.environ.get("KAFKAJS", "")
        if not shutil.which("node") or not os.path.isdir(f"{self.modules}/kafkajs"):
            raise ImportError("no kafkajs")

    def run(self, **task):
        command = ["node", f"{HERE}/kafkajs.js", json.dumps({"modules": self.modules, **task})]
        return command

    def produce(self, broker, topic, values, codec="none", acks="all", idempotent=False):
        task = {"do": "produce", "broker": broker, "topic": topic, "codec": codec}
        task |= {"acks": -1 if acks == "all" else int(acks), "idempotent": idempotent}
        command = self.run(**task)
        subprocess.run(command, input=b"\n".join(values), check=True, timeout=TIMEOUT)

    def consume(self, broker, topic, count, group=None, max_bytes=None):
        task = {"do": "consume", "broker": broker, "topic": topic, "count": count}
        task |= {"group": group or f"read-{topic}", "maxBytes": max_bytes}
        done = subprocess.run(self.run(**task), capture_output=True, timeout=TIMEOUT)
        if done.returncode:
            raise RuntimeError(done.stderr.decode()[-500:])
        return done.stdout.split(b"\n")[:-1]


def available():
    """Returns the installed clients; prints that the others are skipped."""
    found = []
    for client in [Kcat, Confluent, KafkaPython, Aiokafka, Kafkajs]:
        try:
            found.append(client())
        except ImportError as error:
            print(f"SKIPPED: {client.name} cannot be used here: {error}", flush=True)
    return found


def values(count, seed, size=100):
    """Returns `count` different values, without line ends."""
    import random

    chooser = random.Random(seed)
    letters = "abcdefghijklmnopqrstuvwxyz     "
    text = "".join(chooser.choices(letters, k=64 * 1024))
    made = []
    for n in range(count):
        at = chooser.randrange(len(text) - 2 * size)
        made.append(f"{seed} {n} {text[at:at + chooser.randrange(2 * size)]}.".encode())
    return made


if __name__ == "__main__":
    sys.exit("a library: see matrix.py")
