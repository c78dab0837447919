// Numbers, durations and times for people. Pure.

const whole = new Intl.NumberFormat('en-US', {maximumFractionDigits: 0});
const tenth = new Intl.NumberFormat('en-US', {maximumFractionDigits: 1});

export const number = (n) => whole.format(n);

export const rate = (n) => (n < 10 ? tenth : whole).format(n);

export function percent(part, all) {
  return all > 0 ? `${whole.format((100 * part) / all)} %` : '–';
}

/** Returns 402 ms, 9.1 s, 4 min 10 s, 2 h 13 min, 3 d 4 h. */
export function duration(seconds) {
  if (seconds < 1) return `${whole.format(seconds * 1000)} ms`;
  if (seconds < 60) return `${tenth.format(Math.floor(seconds * 10) / 10)} s`;
  const [unit, size, small, smallSize] = seconds < 3600 ? ['min', 60, 's', 1]
    : seconds < 86400 ? ['h', 3600, 'min', 60] : ['d', 86400, 'h', 3600];
  const rest = Math.floor((seconds % size) / smallSize);
  return `${whole.format(Math.floor(seconds / size))} ${unit}${rest ? ` ${rest} ${small}` : ''}`;
}

export const milliseconds = (ms) => (ms < 1000 ? `${whole.format(ms)} ms` : duration(ms / 1000));

export const microseconds = (us) => (us < 1000 ? `${whole.format(us)} µs` : `${tenth.format(us / 1000)} ms`);

export function bytes(n) {
  if (n < 1024) return `${whole.format(n)} B`;
  const units = ['KiB', 'MiB', 'GiB', 'TiB'];
  let size = n / 1024;
  let unit = 0;
  for (; size >= 1024 && unit < units.length - 1; ++unit) size /= 1024;
  return `${size < 100 ? tenth.format(size) : whole.format(size)} ${units[unit]}`;
}

const two = (n) => String(n).padStart(2, '0');

const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** Returns 14:03:22 of a Date, ms or an ISO text; UTC. */
export function clock(time) {
  const at = new Date(time);
  return `${two(at.getUTCHours())}:${two(at.getUTCMinutes())}:${two(at.getUTCSeconds())}`;
}

export const shortClock = (time) => clock(time).slice(0, 5);

export function day(time) {
  const at = new Date(time);
  return `${at.getUTCDate()} ${months[at.getUTCMonth()]}`;
}

let lead = 0;  // of the gateway's clock over the browser's, in ms

/** Takes the time by the gateway's clock. Stamps and ages of the gateway are compared with it. */
export function setGatewayTime(now) {
  const seen = now - Date.now();
  if (Math.abs(seen - lead) > 1000) lead = seen;
}

export const gatewayNow = () => Date.now() + lead;

/** Returns 14:03:22 for today, 21 Nov 14:03 for another day. */
export function when(time, now = gatewayNow()) {
  const at = new Date(time);
  const today = at.toISOString().slice(0, 10) === new Date(now).toISOString().slice(0, 10);
  return today ? clock(at) : `${day(at)} ${shortClock(at)}`;
}

export function ago(time, now = gatewayNow()) {
  const seconds = Math.round((now - new Date(time)) / 1000);
  return seconds < 1 ? 'just now' : `${duration(seconds)} ago`;
}

/** Returns "population_drop" as words. */
export const words = (name) => name.replaceAll('_', ' ');
