// One task for kafkajs: to produce the lines of stdin, or to write what it consumes as lines to stdout.
const task = JSON.parse(process.argv[2]);
const { Kafka, CompressionTypes, CompressionCodecs, logLevel } = require(`${task.modules}/kafkajs`);
CompressionCodecs[CompressionTypes.Snappy] = require(`${task.modules}/kafkajs-snappy`);

const kafka = new Kafka({ brokers: [task.broker], logLevel: logLevel.ERROR });
const codecs = { none: CompressionTypes.None, gzip: CompressionTypes.GZIP, snappy: CompressionTypes.Snappy };

async function produce() {
  const lines = require("fs").readFileSync(0, "latin1").split("\n");
  const producer = kafka.producer({ idempotent: task.idempotent, maxInFlightRequests: 1 });
  await producer.connect();
  for (let at = 0; at < lines.length; at += 500) {
    const messages = lines.slice(at, at + 500).map((line) => ({ value: Buffer.from(line, "latin1") }));
    await producer.send({ topic: task.topic, messages, acks: task.acks, compression: codecs[task.codec] });
  }
  await producer.disconnect();
}

async function consume() {
  const limits = task.maxBytes ? { maxBytes: task.maxBytes, maxBytesPerPartition: task.maxBytes } : {};
  const consumer = kafka.consumer({ groupId: task.group, sessionTimeout: 6000, ...limits });
  await consumer.connect();
  await consumer.subscribe({ topics: [task.topic], fromBeginning: true });
  const lines = [];
  await new Promise((resolve, reject) => {
    const eachMessage = async ({ message }) => {
      if (lines.length < task.count) lines.push(message.value);
      if (lines.length === task.count) resolve();
    };
    consumer.run({ autoCommit: false, eachMessage }).catch(reject);
  });
  const out = Buffer.concat(lines.flatMap((line) => [line, Buffer.from("\n")]));
  // To exit before a pipe has taken all would cut it off.
  await new Promise((resolve) => process.stdout.write(out, resolve));
  await consumer.disconnect();
}

(task.do === "produce" ? produce : consume)().then(
  () => process.exit(0),
  (error) => {
    console.error(error);
    process.exit(1);
  }
);
