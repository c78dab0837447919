// The token of the admin API, if one is required. Kept in this tab, sent as a header, never in an address. Every
// request of the page uses this module.

const KEY = 'holdfast-token';

let token = sessionStorage.getItem(KEY) ?? '';
let locked = false;

/** Emits 'locked' when the gateway requires a token, 'opened' when one was accepted. */
export const door = new EventTarget();
export const isLocked = () => locked;
export const hasToken = () => token !== '';

function fetchWith(candidate, path, options = {}) {
  const headers = {...options.headers};
  if (candidate !== '') headers.Authorization = `Bearer ${candidate}`;
  return fetch(path, {cache: 'no-store', ...options, headers});
}

/** As fetch(). Once the gateway has required a token, sends nothing until there is one. */
export async function request(path, options) {
  if (locked) throw new Error('this gateway requires a token');
  const answer = await fetchWith(token, path, options);
  if (answer.status === 401) lock();
  return answer;
}

/** Saves an answer as a file. A link of its own could not send the token. */
export async function download(path, name) {
  const answer = await request(path);
  if (!answer.ok) throw new Error(`the gateway answered ${answer.status}`);
  const link = document.createElement('a');
  link.href = URL.createObjectURL(await answer.blob());
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}

export function lock() {
  token = '';
  sessionStorage.removeItem(KEY);
  if (locked) return;
  locked = true;
  door.dispatchEvent(new Event('locked'));
}

/** Stores a token that the gateway accepts. Returns the error, or an empty text. */
export async function unlock(candidate) {
  let answer;
  try {
    answer = await fetchWith(candidate, '/v1/status');
  } catch {
    return /^[\x21-\x7e]*$/.test(candidate) ? 'The gateway does not answer.' : 'A token has only letters, digits and - . _ ~ + / =.';
  }
  if (answer.status === 401) return 'The gateway does not know this token.';
  if (!answer.ok) return `The gateway answered ${answer.status}.`;
  token = candidate;
  sessionStorage.setItem(KEY, token);
  locked = false;
  door.dispatchEvent(new Event('opened'));
  return '';
}
