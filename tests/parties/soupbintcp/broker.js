// A broker over the SoupBinTCP of npm's `soupbintcp`, whose OUCH is written here by hand: it logs in,
// trades, logs out, and asks again for what it heard. Prints each message of its stream as
// hexadecimal digits; ends with an error at the first thing that is not as it must be.
//
// usage: node broker.js HOST PORT USERNAME PASSWORD
'use strict';

const assert = require('assert');
const { Client } = require('soupbintcp');

const [host, port, username, password] = process.argv.slice(2);
// Longer than anything takes that is going to happen at all.
const SOON_MS = 20000;
// Both sides say a heartbeat within each second in which they have nothing else to say.
const SILENCE_MS = 2500;
const CURRENT_SESSION = '';

// A connection, and what was heard on it and not yet asked for: pairs of an event and its value.
class Connection {
  constructor() {
    this.heard = [];
    this.wake = () => {};
    this.client = new Client({ host, port: Number(port) });
    for (const event of ['connect', 'accept', 'reject', 'message', 'ending', 'end', 'error'])
      this.client.on(event, (value) => {
        this.heard.push([event, value]);
        this.wake();
      });
  }

  static async login(credentials) {
    const connection = new Connection();
    await connection.hears('connect');
    connection.client.login({ username, password, ...credentials });
    return connection;
  }

  // Logs in as who asked for this message, and must be given it.
  static async from(requestedSession, requestedSequenceNumber) {
    const connection =
      await Connection.login({ requestedSession, requestedSequenceNumber });
    const { session, sequenceNumber } = await connection.hears('accept');
    assert.strictEqual(sequenceNumber, requestedSequenceNumber);
    connection.session = session;
    return connection;
  }

  // The value of the next event, which must be this one.
  async hears(event) {
    const deadline = Date.now() + SOON_MS;
    while (this.heard.length === 0) {
      assert(Date.now() < deadline, `nothing is heard, waiting for: ${event}`);
      await new Promise((resolve) => {
        this.wake = resolve;
        setTimeout(resolve, 100);
      });
    }
    const [next, value] = this.heard.shift();
    assert.strictEqual(next, event, `${next}: ${value}`);
    return value;
  }

  // The next messages, copied out of the buffer they came in.
  async messages(count) {
    const messages = [];
    while (messages.length < count)
      messages.push(Buffer.from(await this.hears('message')));
    return messages;
  }

  async logout() {
    this.client.logout();
    await this.hears('end');
    this.client.end();
  }
}

function enter(number, side, quantity, price) {
  const message = Buffer.alloc(47, ' ');
  message.write('O', 0);
  message.writeUInt32BE(number, 1);
  message.write(side, 5);
  message.writeUInt32BE(quantity, 6);
  message.write('ACME', 10);
  message.writeBigUInt64BE(BigInt(price), 18);
  message.write('0YANN', 26); // day, visible, agency, no sweep, continuous
  message.write('by hand', 31);
  message.writeUInt16BE(0, 45); // no options
  return message;
}

function cancel(number, quantity) {
  const message = Buffer.alloc(9);
  message.write('X', 0);
  message.writeUInt32BE(number, 1);
  message.writeUInt32BE(quantity, 5);
  return message;
}

// A message in words, as far as this broker cares.
function said(message) {
  const type = message.toString('ascii', 0, 1);
  if (type === 'S')
    return `system ${message.toString('ascii', 9, 10)}`;
  const number = message.readUInt32BE(9);
  switch (type) {
    case 'A': {
      const text = message.toString('ascii', 48, 62).trim();
      return `accepted #${number} ${message.readUInt32BE(14)} at ${message.readBigUInt64BE(26)} ${text}`;
    }
    case 'E':
      return `executed #${number} ${message.readUInt32BE(13)} at ${message.readBigUInt64BE(17)}`;
    case 'C':
      return `canceled #${number} ${message.readUInt32BE(13)} ${message.toString('ascii', 17, 18)}`;
    default:
      return `unexpected ${message.toString('hex')}`;
  }
}

async function trade() {
  const first = await Connection.from(CURRENT_SESSION, 1);
  first.client.send(enter(1, 'B', 300, 250000));
  first.client.send(enter(2, 'B', 100, 249900));
  first.client.send(enter(3, 'S', 200, 250000));
  first.client.send(cancel(2, 0));
  let stream = await first.messages(7);
  assert.deepStrictEqual(stream.map(said), [
    'system S',
    'accepted #1 300 at 250000 by hand',
    'accepted #2 100 at 249900 by hand',
    'accepted #3 200 at 250000 by hand',
    'executed #1 200 at 250000',
    'executed #3 200 at 250000',
    'canceled #2 100 U',
  ]);
  await first.logout();

  const session = first.session;
  for (const [requested, sequence] of [[session, 1], [session, 4], [CURRENT_SESSION, 7]]) {
    const again = await Connection.from(requested, sequence);
    assert.strictEqual(again.session, session);
    const replayed = await again.messages(stream.length - sequence + 1);
    assert.deepStrictEqual(replayed, stream.slice(sequence - 1), `from ${sequence}`);
    await again.logout();
  }

  // From the next message on, and silent for as long as heartbeats must bridge.
  const next = await Connection.from(session, stream.length + 1);
  await new Promise((resolve) => setTimeout(resolve, SILENCE_MS));
  next.client.send(enter(4, 'S', 100, 250100));
  stream = stream.concat(await next.messages(1));
  assert.strictEqual(said(stream[7]), 'accepted #4 100 at 250100 by hand');
  await next.logout();
  return { session, stream };
}

async function mustBeRefused(credentials, reason) {
  const refused = await Connection.login(credentials);
  assert.deepStrictEqual(await refused.hears('reject'), { rejectReasonCode: reason });
  await refused.hears('end');
  refused.client.end();
}

async function main() {
  const { session, stream } = await trade();
  const here = { requestedSession: session, requestedSequenceNumber: 1 };
  await mustBeRefused({ ...here, password: 'WRONG' }, 'A');
  await mustBeRefused({ ...here, username: 'NOBODY' }, 'A');
  await mustBeRefused({ ...here, requestedSession: '9912310001' }, 'S');
  for (const message of stream)
    console.log(message.toString('hex'));
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
