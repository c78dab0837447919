// Requests to the gateway. Every call returns the parsed answer or throws an Error with the gateway's own message.

import {isLocked, request} from './token.js';

async function ask(path, options) {
  let answer;
  try {
    answer = await request(path, options);
  } catch {
    throw new Error(isLocked() ? 'this gateway requires a token' : 'the gateway does not answer');
  }
  const body = await answer.json().catch(() => null);
  if (answer.ok) return body;
  const error = new Error(body?.error?.message ?? `the gateway answered ${answer.status}`);
  error.status = answer.status;
  error.code = body?.error?.code;
  throw error;
}

function withQuery(path, query) {
  const given = Object.entries(query).filter(([, value]) => value !== '' && value !== null && value !== undefined);
  return given.length ? `${path}?${new URLSearchParams(given)}` : path;
}

const onePath = (id) => `/v1/connections/${encodeURIComponent(id)}`;
const alarmPath = (id) => `/v1/alarms/${encodeURIComponent(id)}`;
const devicePath = (id) => `/v1/devices/${encodeURIComponent(id)}`;
const jsonBody = (json) => ({method: 'POST', body: json, headers: {'Content-Type': 'application/json'}});

export const status = () => ask('/v1/status');
export const trend = (query) => ask(withQuery('/v1/trend', query));
export const alarms = () => ask('/v1/alarms');
export const alarm = (id, query) => ask(withQuery(alarmPath(id), query));
export const acknowledge = (id, note) => ask(`${alarmPath(id)}/acknowledgement`, jsonBody(JSON.stringify({note})));
export const withdraw = (id) => ask(`${alarmPath(id)}/acknowledgement`, {method: 'DELETE'});
export const membersPath = (id, format) => withQuery(`${alarmPath(id)}/members`, {format});
export const bad = (query) => ask(withQuery('/v1/bad', query));
export const device = (id, query) => ask(withQuery(devicePath(id), query));
export const probeDevice = (id) => ask(`${devicePath(id)}/probe?timeout=3s`, {method: 'POST'});
export const connections = (query) => ask(withQuery('/v1/connections', query));
export const connection = (id) => ask(onePath(id));
export const closed = (query) => ask(withQuery('/v1/closed', query));
export const prefixes = (query) => ask(withQuery('/v1/prefixes', query));
export const fleet = (query) => ask(withQuery('/v1/fleet', query));
export const probe = (id) => ask(`${onePath(id)}/probe?timeout=3s`, {method: 'POST'});
export const send = (id, json) => ask(`${onePath(id)}/messages`, jsonBody(json));
export const close = (id) => ask(onePath(id), {method: 'DELETE'});

/** Runs `work` at once, or once more after the current run: calls never accumulate. */
export function oneAtATime(work) {
  let running = false;
  let again = false;
  return async function run() {
    if (running) {
      again = true;
      return;
    }
    running = true;
    try {
      do {
        again = false;
        await work();
      } while (again);
    } finally {
      running = false;
    }
  };
}
