// What is asked, as the URL of the page keeps it and as the API takes it: {view, measures, dimensions, grain, from, to, where, compare}. measures and
// dimensions are lists of names; grain '' makes the whole range one bucket, 'window:' before a name stands for a window of the view, null is the
// view's default.

const texts = ['from', 'to', 'where', 'compare'];
const windowed = 'window:';

// grainOf is a window as a question has it in place of a grain.
export const grainOf = window => windowed + window.name;

// windowOf is the window of a view that a question asks for; undefined where it asks for a grain, or none.
export const windowOf = (question, view) => view.windows.find(window => grainOf(window) === question.grain);

// fromURL reads the page's query string.
export function fromURL(search) {
  const given = new URLSearchParams(search);
  const list = name => (given.get(name) ?? '').split(',').filter(Boolean);
  const question = { view: given.get('view') ?? '', measures: list('measures'), dimensions: list('dimensions'), grain: given.get('grain') };
  for (const name of texts) question[name] = given.get(name) ?? '';
  return question;
}

// toURL is the query string under which the page shows the same again.
export function toURL(question) {
  const given = parameters(question);
  given.delete('window');
  given.set('view', question.view);
  given.set('grain', question.grain);
  return '?' + given;
}

// parameters are those of the API, but for the view.
function parameters(question) {
  const given = new URLSearchParams();
  for (const name of ['measures', 'dimensions']) if (question[name].length) given.set(name, question[name].join(','));
  if (question.grain.startsWith(windowed)) given.set('window', question.grain.slice(windowed.length));
  else if (question.grain) given.set('grain', question.grain);
  for (const name of texts) if (question[name]) given.set(name, question[name]);
  return given;
}

// queryPath asks once; more are further parameters, such as order and limit.
export function queryPath(question, more = {}) {
  const given = parameters(question);
  for (const [name, value] of Object.entries(more)) given.set(name, value);
  return `v1/views/${encodeURIComponent(question.view)}/query?${given}`;
}

// followedRows is how many rows of an answer are followed at most: as many as a query answers.
export const followedRows = 10_000;

// streamPath follows.
export function streamPath(question) {
  const given = parameters(question);
  given.set('view', question.view);
  given.set('limit', followedRows);
  return `v1/stream?${given}`;
}

// What buckets of a grain can be compared with: how long before.
const periods = { s: ['1h', '1d', '1w'], m: ['1h', '1d', '1w'], h: ['1d', '1w', '4w', '1y'], d: ['1d', '1w', '4w', '1mo', '1y'], w: ['1w', '4w', '52w'], mo: ['1mo', '3mo', '1y'], y: ['1y'] };

// comparable lists the periods that suit a grain; none where the whole range is one bucket, or rows are of a window.
export const comparable = grain => periods[/^\d+(s|m|h|d|w|mo|y)$/.exec(grain ?? '')?.[1]] ?? [];

// complete puts what the view offers in place of what is not there, or not given.
export function complete(question, view) {
  const known = (names, list) => names.filter(name => list.some(entry => entry.name === name));
  const measures = known(question.measures, view.measures), first = view.measures.find(charted) ?? view.measures[0];
  const window = windowOf(question, view);
  const grain = window || view.grains.includes(question.grain) || question.grain === '' ? question.grain : view.grains.includes('1d') ? '1d' : view.grains[0];
  const dimensions = window?.kind === 'session' ? window.by ?? [] : known(question.dimensions, view.dimensions); // a session has its own
  const compare = comparable(grain).includes(question.compare) ? question.compare : '';
  return { ...question, view: view.name, measures: measures.length ? measures : [first.name], dimensions, grain, compare };
}

// charted measures are numbers: a chart has no place for texts, times and lists.
export const charted = measure => /^(int64|int128|double|decimal)/.test(measure.type);
