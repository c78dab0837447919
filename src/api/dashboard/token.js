// The token that opens the admin API, where it asks for one. It is kept in this tab, sent as a header, and never stands in
// an address. Every request of the page goes through here.

const KEY = 'holdfast-token';

let token = sessionStorage.getItem(KEY) ?? '';
let locked = false;

/** Tells 'locked' when the gateway wants a token that is not here, 'opened' when one was taken. */
export const door = new EventTarget();
export const isLocked = () => locked;
export const hasToken = () => token !== '';

function fetchWith(candidate, path, options = {}) {
  const headers = {...options.headers};
  if (candidate !== '') headers.Authorization = `Bearer ${candidate}`;
  return fetch(path, {cache: 'no-store', ...options, headers});
}

/** As fetch(). Once the gateway has asked for a token, nothing is asked of it until there is one. */
export async function request(path, options) {
  if (locked) throw new Error('this gateway asks for a token');
  const answer = await fetchWith(token, path, options);
  if (answer.status === 401) lock();
  return answer;
}

export function lock() {
  token = '';
  sessionStorage.removeItem(KEY);
  if (locked) return;
  locked = true;
  door.dispatchEvent(new Event('locked'));
}

/** Takes a token that the gateway takes; returns what is wrong with it, or an empty text. */
export async function unlock(candidate) {
  let answer;
  try {
    answer = await fetchWith(candidate, '/v1/status');
  } catch {
    return /^[\x21-\x7e]*$/.test(candidate) ? 'The gateway does not answer.' : 'A token has only letters, digits and - . _ ~ + / =.';
  }
  if (answer.status === 401) return 'This is not a token of this gateway.';
  if (!answer.ok) return `The gateway answered ${answer.status}.`;
  token = candidate;
  sessionStorage.setItem(KEY, token);
  locked = false;
  door.dispatchEvent(new Event('opened'));
  return '';
}
