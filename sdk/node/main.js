// A device whose items are the lines of standard input. Ends after the end of the input, once every item is acknowledged.
//
//     echo '{"ip":"10.20.30.40"}' | node main.js 127.0.0.1 7000 device-17 [lines|length] [TOKEN|-] [CA]
//
// With the file of an authority, the connection has TLS.
'use strict';
const {readFileSync} = require('node:fs');
const {createInterface} = require('node:readline');
const tls = require('node:tls');
const {Device} = require('./holdfast_device.js');

const [host, port, id, framing, token, authority] = process.argv.slice(2);
const options = {host, port: Number(port), id, token: token === '-' ? undefined : token, length: framing === 'length'};
if (authority !== undefined) options.connect = (to) => tls.connect({...to, ca: readFileSync(authority)});
const device = new Device(options);
const lines = createInterface({input: process.stdin});
const waiting = [];
let ended = false;

// Adds the line. Returns false if the memory is full.
function keep(line) {
  try {
    return device.add(line);
  } catch (error) {
    console.error(`no item: ${line} (${error.message})`);
    return true;
  }
}

function goOn() {
  while (waiting.length > 0 && keep(waiting[0])) waiting.shift();
  if (!ended && waiting.length > 0) lines.pause();  // an ended reader throws
  else if (!ended) lines.resume();
  if (ended && waiting.length === 0 && device.pending() === 0) device.stop();
}

lines.on('line', (line) => { waiting.push(line); goOn(); });
lines.on('close', () => { ended = true; goOn(); });
device.on('acked', goOn);
device.on('message', (message) => console.log(JSON.stringify(message)));
device.on('refused', (seq, reason) => console.error(`item ${seq} was refused: ${reason}`));
device.start();
