// Follows an answer by server-sent events. EventSource cannot send a token, so the events are read from a fetch; like EventSource it comes
// back by itself and says what it has read last, so that nothing is missed.

import { Problem, request } from './api.js';

const firstPause = 500, longestPause = 15_000; // ms between two tries

// follow calls on.reset(answer), on.update(change) and on.failure(problem) as events come, and on.lost(problem) when the connection breaks
// and is tried again. A question that can never be answered ends in on.refused(problem). It returns a function that ends all of it.
export function follow(path, on) {
  const ending = new AbortController();
  run(path, on, ending.signal);
  return () => ending.abort();
}

async function run(path, on, signal) {
  let last = '', pause = firstPause;
  while (!signal.aborted) {
    try {
      const headers = { Accept: 'text/event-stream', ...(last && { 'Last-Event-ID': last }) };
      const response = await request(path, { signal, headers });
      for await (const event of events(response.body)) {
        if (signal.aborted) return;
        pause = firstPause;
        if (event.id) last = event.id;
        if (event.kind in on) on[event.kind](JSON.parse(event.data));
      }
      on.lost(new Problem({ title: 'The server has closed the connection' }));
    } catch (error) {
      if (signal.aborted) return;
      const final = error.status >= 400 && error.status < 500 && error.status !== 408 && error.status !== 429;
      if (final) return on.refused(error);
      on.lost(error instanceof Problem ? error : new Problem({ title: 'The connection is lost' }));
    }
    await sleep(pause, signal);
    pause = Math.min(pause * 2, longestPause);
  }
}

// events are those of a stream: {kind, id, data}. Comments, which only show that the connection lives, are left out.
async function* events(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    text += value;
    for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
      const event = parse(text.slice(0, end));
      text = text.slice(end + 2);
      if (event.kind) yield event;
    }
  }
}

function parse(block) {
  const event = { kind: '', id: '', data: '' };
  for (const line of block.split('\n')) {
    const colon = line.indexOf(': ');
    const value = line.slice(colon + 2);
    switch (line.slice(0, Math.max(colon, 0))) {
      case 'event': event.kind = value; break;
      case 'id': event.id = value; break;
      case 'data': event.data = value; break;
    }
  }
  return event;
}

function sleep(ms, signal) {
  return new Promise(resolve => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener('abort', () => { clearTimeout(timer); resolve(); }, { once: true });
  });
}
