"""Tests consumers: fetch limits smaller than a batch, groups whose members share partitions and are killed,
committed offsets after a restart of the broker."""

import multiprocessing
import sys
import tempfile
import threading

from broker import Broker
from clients import Confluent, available, values


def small_limits(broker, clients):
    """A consumer with limits of 5,000 bytes gets batches of a megabyte, in order."""
    writer = next((c for c in clients if c.name == "confluent-kafka"), clients[0])
    sent = values(5_000, "limits", size=400)
    writer.produce(broker.address, "limits", sent)
    for client in clients:
        got = client.consume(broker.address, "limits", len(sent), max_bytes=5_000)
        check(got == sent, f"{client.name} with limits of 5,000 bytes")
    return len(clients)


def resume(binary, directory, clients):
    """A group continues at its commit after the broker was killed: one group for each client."""
    groups = [client for client in clients if client.name not in ("kcat", "kafkajs")]
    sent = values(3_000, "resume")
    with Broker(binary, directory) as broker:
        clients[0].produce(broker.address, "resume", sent)
        for client in groups:
            got = client.consume(broker.address, "resume", 1_000, group=client.name)
            check(got == sent[:1_000], f"{client.name} in a group")
        broker.kill()
    with Broker(binary, directory) as broker:
        for client in groups:
            got = client.consume(broker.address, "resume", 2_000, group=client.name)
            check(got == sent[1_000:], f"{client.name} resumed")
    return len(groups)


def killed_member(binary, directory):
    """Two members share four partitions; one is killed, and the other gets all of them."""
    try:
        lib = Confluent().lib
    except ImportError:
        return 0
    with Broker(binary, directory, "--partitions", "4") as broker:
        config = {"bootstrap.servers": broker.address, "group.id": "shared"}
        config |= {"session.timeout.ms": 2_000, "heartbeat.interval.ms": 200}
        config |= {"auto.offset.reset": "earliest", "enable.auto.commit": False}
        # The first member is a separate process, so that it can be killed.
        spawn = multiprocessing.get_context("spawn")
        assigned, ready = spawn.Queue(), spawn.Event()
        # Creates the topic before a member subscribes to it.
        producer = lib.Producer({"bootstrap.servers": broker.address})
        sent = {partition: [f"{partition}-{n}" for n in range(250)] for partition in range(4)}
        producer.produce("shared", b"0-0", partition=0)
        producer.flush(20)
        first = spawn.Process(target=member, args=(config, assigned, ready))
        first.start()
        second = lib.Consumer(config)
        mine = set()

        def on_assign(_, partitions):
            mine.clear()
            mine.update(partition.partition for partition in partitions)

        second.subscribe(["shared"], on_assign=on_assign)
        wait(lambda: second.poll(0.1) and None or len(mine) == 2, "two members share")
        other = set()
        while len(other) != 2:
            other = set(assigned.get(timeout=30))
        check(not mine & other and mine | other == {0, 1, 2, 3}, f"{mine} and {other}")
        first.kill()
        first.join()
        wait(lambda: second.poll(0.1) and None or len(mine) == 4, "the other takes over")
        for partition, texts in sent.items():
            for text in texts[partition == 0 :]:
                producer.produce("shared", text.encode(), partition=partition)
        producer.flush(20)
        for partition in mine:
            second.seek(lib.TopicPartition("shared", partition, 0))
        got = {partition: [] for partition in range(4)}

        def all_there():
            for message in second.consume(500, 0.2):
                if not message.error():
                    got[message.partition()].append(message.value().decode())
            return all(len(got[p]) >= len(sent[p]) for p in sent)

        wait(all_there, "all records")
        check(got == sent, "the records of all partitions")
        second.close()
    return 1


def static_member(binary, directory):
    """A static member is killed and restarted within its session: it gets its partitions back, without a
    rebalance for the other member."""
    try:
        lib = Confluent().lib
    except ImportError:
        return 0
    with Broker(binary, directory, "--partitions", "4") as broker:
        config = {"bootstrap.servers": broker.address, "group.id": "static"}
        config |= {"session.timeout.ms": 30_000, "heartbeat.interval.ms": 200}
        producer = lib.Producer({"bootstrap.servers": broker.address})
        producer.produce("shared", b"the topic is there")
        producer.flush(20)
        rounds = []
        second = lib.Consumer(config | {"group.instance.id": "second"})
        on_assign = lambda _, partitions: rounds.append({p.partition for p in partitions})
        second.subscribe(["shared"], on_assign=on_assign)
        wait(lambda: second.poll(0.1) or rounds, "the second is alone")
        spawn = multiprocessing.get_context("spawn")
        parts = []
        for _ in range(2):
            assigned, ready = spawn.Queue(), spawn.Event()
            first = spawn.Process(
                target=member, args=(config | {"group.instance.id": "first"}, assigned, ready)
            )
            first.start()
            wait(lambda: (second.poll(0.1), not assigned.empty())[1], "the first has its part")
            parts.append(set(assigned.get(timeout=30)))
            wait(lambda: (second.poll(0.1), len(rounds[-1]) == 2)[1], "the second has its part")
            first.kill()
            first.join()
        check(parts[0] == parts[1] and parts[0] | rounds[-1] == {0, 1, 2, 3}, f"{parts}, {rounds}")
        check(len(rounds) == 2, f"the second was assigned {rounds}")
        second.close()
    return 1


def member(config, assigned, ready):
    """Runs a group member in a separate process; puts its assignments into a queue."""
    lib = Confluent().lib
    consumer = lib.Consumer(config)
    tell = lambda _, partitions: assigned.put([p.partition for p in partitions])
    consumer.subscribe(["shared"], on_assign=tell)
    while True:
        consumer.poll(0.1)


def wait(condition, what):
    done = threading.Event()
    timer = threading.Timer(40, done.set)
    timer.start()
    while not condition():
        check(not done.is_set(), f"too late: {what}")
    timer.cancel()


def check(holds, what):
    if not holds:
        sys.exit(f"FAILED: {what}")


def main(binary):
    clients = available()
    cells = 0
    with tempfile.TemporaryDirectory() as directory:
        with Broker(binary, f"{directory}/limits") as broker:
            cells += small_limits(broker, clients)
        cells += resume(binary, f"{directory}/resume", clients)
        cells += killed_member(binary, f"{directory}/shared")
        cells += static_member(binary, f"{directory}/static")
    print(f"CELLS {cells}")


if __name__ == "__main__":
    main(sys.argv[1])
