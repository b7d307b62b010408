// Asks the server. The token, where one is needed, lives in this tab's session storage and nowhere else.

const tokenKey = 'caudal token';

// Problem is why the server did not answer (RFC 9457), or that it cannot be reached.
export class Problem extends Error {
  constructor({ title = '', status = 0, field = '', reason = '', suggestion = '', nearest = [] }) {
    super([field, reason || title].filter(Boolean).join(': '));
    Object.assign(this, { title, status, field, reason, suggestion, nearest });
  }
}

export const hasToken = () => sessionStorage.getItem(tokenKey) !== null;
export const keepToken = token => sessionStorage.setItem(tokenKey, token);

// request asks for a path relative to the page and returns the response; anything but a success throws a Problem, an abort an AbortError.
export async function request(path, { signal, headers, method } = {}) {
  const sent = { Accept: 'application/json', ...headers }, token = sessionStorage.getItem(tokenKey);
  if (token !== null) sent.Authorization = `Bearer ${token}`;
  let response;
  try {
    response = await fetch(path, { headers: sent, signal, method, cache: 'no-store' });
  } catch (error) {
    throw error.name === 'AbortError' ? error : unreachable();
  }
  if (response.ok) return response;
  if (response.status === 401 && sessionStorage.getItem(tokenKey) === token) sessionStorage.removeItem(tokenKey); // not one that was given meanwhile
  const described = await response.json().catch(() => ({}));
  throw new Problem({ title: response.statusText, ...described, status: response.status });
}

export async function read(path, options) {
  const response = await request(path, options);
  try {
    return await response.json();
  } catch (error) {
    throw error.name === 'AbortError' ? error : unreachable();
  }
}

const unreachable = () => new Problem({ title: 'The server does not answer', suggestion: 'what is shown may be old; the page goes on by itself once the server is back' });
