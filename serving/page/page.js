'use strict';
// The page asks the same API that everybody may ask and keeps what it shows in its URL. What batch computed is drawn solid, what the
// speed layer added is drawn dashed, and the seam between them is marked.
const $ = id => document.getElementById(id);
const colours = ['--c0', '--c1', '--c2', '--c3', '--c4', '--c5'];
const refreshEvery = 5000;
const state = { views: [], plot: null, answer: null, asking: null, rank: [] };

async function ask(path) {
  if (state.asking) state.asking.abort();
  state.asking = new AbortController();
  return read(path, state.asking.signal);
}

async function read(path, signal) {
  const response = await fetch(path, { headers: { Accept: 'application/json' }, signal });
  const body = await response.json();
  if (!response.ok) throw new Error((body.field ? body.field + ': ' : '') + (body.detail || body.title));
  return body;
}

// charted measures are numbers: a chart has no place for texts, times and lists.
const charted = m => /^(int64|int128|double|decimal)/.test(m.type);

const view = () => state.views.find(v => v.name === $('view').value);

function options(select, values, wanted) {
  select.replaceChildren(...values.map(([value, label]) => new Option(label, value)));
  if (values.some(([value]) => value === wanted)) select.value = wanted;
}

function fillControls(wanted) {
  const v = view();
  if (!v) return;
  options($('measure'), v.measures.filter(charted).map(m => [m.name, m.unit ? `${m.name} (${m.unit})` : m.name]), wanted.measure);
  options($('dimension'), [['', 'nothing'], ...v.dimensions.map(d => [d.name, d.name])], wanted.dimension);
  options($('grain'), [...v.grains.map(g => [g, g]), ['', 'whole range']], wanted.grain ?? defaultGrain(v));
}

// defaultGrain is a day, or what comes nearest to it.
const defaultGrain = v => v.grains.includes('1d') ? '1d' : v.grains[0];

const quote = text => `'${String(text).replaceAll("'", "''")}'`;

function literal(value, type) {
  if (value === null) return null;
  return /^(string|timestamp|date)$/.test(type) ? quote(value) : String(value);
}

function path(parameters) {
  const query = new URLSearchParams();
  for (const [key, value] of Object.entries(parameters)) if (value) query.set(key, value);
  return `v1/views/${encodeURIComponent($('view').value)}/query?${query}`;
}

function chosen() {
  return { measures: $('measure').value, dimensions: $('dimension').value, grain: $('grain').value,
    from: $('from').value.trim(), to: $('to').value.trim(), where: $('where').value.trim() };
}

async function show() {
  const v = view();
  if (!v) return;
  keepURL();
  try {
    let parameters = chosen();
    state.rank = [];
    if (parameters.dimensions && parameters.grain) parameters = await largest(v, parameters);
    else if (!parameters.grain) parameters = { ...parameters, order: '-' + parameters.measures, limit: 1000 };
    const answer = await ask(path(parameters));
    $('problem').hidden = true;
    state.answer = answer;
    draw(v, parameters, answer);
  } catch (error) {
    if (error.name === 'AbortError') return;
    $('problem').textContent = error.message;
    $('problem').hidden = false;
  }
}

// largest keeps a chart of many values readable: the six with the largest measure over the range.
async function largest(v, parameters) {
  const top = await ask(path({ ...parameters, grain: '', order: '-' + parameters.measures, limit: colours.length }));
  state.rank = top.data.map(r => r[parameters.dimensions]);
  const type = v.dimensions.find(d => d.name === parameters.dimensions).type;
  const name = `"${parameters.dimensions.replaceAll('"', '""')}"`;
  const values = top.data.map(r => literal(r[parameters.dimensions], type));
  const list = values.filter(x => x !== null);
  const terms = [];
  if (list.length) terms.push(`${name} in (${list.join(', ')})`);
  if (list.length < values.length) terms.push(`${name} is null`);
  if (!terms.length) return parameters;
  const only = `(${terms.join(' or ')})`;
  return { ...parameters, where: parameters.where ? `(${parameters.where}) and ${only}` : only };
}

function keepURL() {
  const query = new URLSearchParams({ view: $('view').value });
  for (const id of ['measure', 'dimension', 'from', 'to', 'where']) if ($(id).value) query.set(id, $(id).value);
  query.set('grain', $('grain').value);
  history.replaceState(null, '', '?' + query);
}

const css = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const number = new Intl.NumberFormat(undefined, { maximumFractionDigits: 3 });

// pretty writes a number in the reader's locale. Decimals come as text and keep every digit; digits is how many behind the point are shown at least.
function pretty(value, digits = 0) {
  if (value === null) return '–';
  const m = typeof value === 'string' && /^(-?)(\d+)(?:\.(\d+))?$/.exec(value);
  if (!m) return typeof value === 'number' ? number.format(value) : String(value);
  const point = Intl.NumberFormat().formatToParts(1.5).find(p => p.type === 'decimal').value;
  const fraction = (m[3] || '').replace(/0+$/, '').padEnd(digits, '0');
  return m[1] + BigInt(m[2]).toLocaleString() + (fraction ? point + fraction : '');
}

function draw(v, parameters, answer) {
  const measure = v.measures.find(m => m.name === parameters.measures);
  $('title').textContent = measure.name + (measure.unit ? ` in ${measure.unit}` : '') + (parameters.dimensions ? ` by ${parameters.dimensions}` : '');
  $('description').textContent = measure.description || v.description || '';
  $('note').textContent = answer.provenance.note;
  $('note').classList.toggle('partial', answer.provenance.partial);
  $('curl').textContent = `curl '${new URL(path(parameters), location.href).href.replaceAll("'", '%27')}'`;
  drawChart(parameters, answer);
  drawTable(answer);
}

// series groups the rows by value of the dimension, on one axis of times. Where a point is live, its line is dashed, from the last batch point on.
function series(parameters, answer) {
  const times = [...new Set(answer.data.map(r => Date.parse(r.time) / 1000))].sort((a, b) => a - b);
  const at = new Map(times.map((t, i) => [t, i]));
  const groups = new Map();
  answer.data.forEach((r, i) => {
    const key = parameters.dimensions ? r[parameters.dimensions] : '';
    if (!groups.has(key)) groups.set(key, { name: key === null ? 'no value' : String(key), values: Array(times.length).fill(null), source: Array(times.length).fill(null), origin: Array(times.length).fill(null) });
    const g = groups.get(key), k = at.get(Date.parse(r.time) / 1000);
    const value = r[parameters.measures];
    g.values[k] = value === null ? null : Number(value);
    g.source[k] = answer.provenance.rows[i].source;
    g.origin[k] = answer.provenance.rows[i];
  });
  const place = g => { const i = state.rank.findIndex(x => (x === null ? 'no value' : String(x)) === g.name); return i < 0 ? colours.length : i; };
  const shown = [...groups.values()].sort((a, b) => place(a) - place(b)).slice(0, colours.length);
  if (additive(parameters.measures)) fillZeros(times, shown);
  return { times, groups: shown };
}

// additive measures are zero where a cell has no events; others have no value there.
const additive = name => ['sum', 'count', 'count_distinct'].includes(view().measures.find(m => m.name === name)?.aggregation);

function fillZeros(times, groups) {
  times.forEach((_, i) => {
    const source = groups.some(g => g.source[i] && g.source[i] !== 'batch') ? 'speed' : 'batch';
    for (const g of groups) if (g.values[i] === null && g.source[i] === null) { g.values[i] = 0; g.source[i] = source; }
  });
}

// seamOf is the first time from which on every point has a live part.
function seamOf(times, groups) {
  let seam = null;
  for (let i = times.length - 1; i >= 0; i--) {
    if (groups.some(g => g.source[i] === 'batch')) break;
    seam = times[i];
  }
  return seam;
}

function split(g) {
  const solid = g.values.map((x, i) => g.source[i] === 'batch' ? x : null);
  const dashed = g.values.map((x, i) => {
    const live = j => g.source[j] && g.source[j] !== 'batch';
    return live(i) || (x !== null && (live(i - 1) || live(i + 1))) ? x : null;
  });
  return [solid, dashed];
}

function drawChart(parameters, answer) {
  if (state.plot) { state.plot.destroy(); state.plot = null; }
  $('chart').hidden = !parameters.grain || !answer.data.length;
  $('legend').replaceChildren();
  if ($('chart').hidden) return;
  const { times, groups } = series(parameters, answer);
  const seam = seamOf(times, groups);
  const data = [times], lines = [{}];
  groups.forEach((g, i) => {
    const stroke = css(colours[i]);
    data.push(...split(g));
    lines.push({ label: g.name, stroke, width: 2, points: { show: times.length < 60, size: 5, fill: stroke } });
    lines.push({ label: g.name + ' live', stroke, width: 2, dash: [6, 5], points: { show: times.length < 60, size: 5, fill: css('--card') } });
  });
  const axis = { stroke: css('--soft'), grid: { stroke: css('--line'), width: 1 }, ticks: { stroke: css('--line'), width: 1 } };
  state.plot = new uPlot({
    width: $('chart').clientWidth, height: innerWidth < 640 ? 240 : 320,
    tzDate: ts => uPlot.tzDate(new Date(ts * 1000), answer.meta.timezone),
    scales: { y: { range: (_, low, high) => [Math.min(0, low ?? 0), (high ?? 1) > 0 ? (high ?? 1) * 1.05 : 0] } },
    axes: [axis, { ...axis, size: 76, values: (_, ticks) => ticks.map(t => Intl.NumberFormat(undefined, { notation: 'compact', maximumFractionDigits: 2 }).format(t)) }],
    series: lines, legend: { show: false }, cursor: { y: false },
    plugins: [seamMark(seam), tips(times, groups)],
  }, data, $('chart'));
  drawLegend(groups, parameters.dimensions, seam, answer.meta.timezone);
}

// seamMark draws the line where live numbers begin.
function seamMark(seam) {
  return { hooks: { draw: u => {
    if (seam === null) return;
    const x = Math.round(u.valToPos(seam, 'x', true)), { top, height } = u.bbox, c = u.ctx;
    c.save();
    c.strokeStyle = c.fillStyle = css('--soft');
    c.setLineDash([2, 3]);
    c.beginPath(); c.moveTo(x, top); c.lineTo(x, top + height); c.stroke();
    c.font = `${12 * devicePixelRatio}px system-ui, sans-serif`;
    const right = x > u.bbox.left + u.bbox.width * 0.8;
    c.textAlign = right ? 'right' : 'left';
    c.fillText('live from here', x + (right ? -6 : 6) * devicePixelRatio, top + 14 * devicePixelRatio);
    c.restore();
  } } };
}

// tips tell a point's value and where it comes from.
function tips(times, groups) {
  const tip = document.createElement('div');
  tip.id = 'tip';
  tip.hidden = true;
  return { hooks: {
    init: u => u.over.append(tip),
    setCursor: u => {
      const i = u.cursor.idx;
      tip.hidden = i == null || u.cursor.left < 0;
      if (tip.hidden) return;
      const lines = groups.filter(g => g.origin[i]).map(g => {
        const o = g.origin[i];
        return `${g.name ? g.name + ': ' : ''}${number.format(g.values[i])} · ${o.source}${o.exact ? ', exact' : ', ' + bounds(o)}`;
      });
      tip.textContent = [label(times[i]), ...lines].join('\n');
      const over = u.cursor.left > u.over.clientWidth / 2;
      tip.style.left = over ? '' : u.cursor.left + 12 + 'px';
      tip.style.right = over ? u.over.clientWidth - u.cursor.left + 12 + 'px' : '';
      tip.style.top = '8px';
    },
  } };
}

const bounds = origin => Object.values(origin.bounds || {}).map(b => b === null ? 'approximate' : `±${(100 * b).toFixed(1)} %`).join(', ');

function label(seconds) {
  const { timezone, grain } = state.answer.meta, short = /^\d+(s|m|h)$/.test(grain || '');
  const style = /mo$/.test(grain) ? { year: 'numeric', month: 'short' } : /y$/.test(grain) ? { year: 'numeric' } : { dateStyle: 'medium', ...(short ? { timeStyle: 'short' } : {}) };
  return new Date(seconds * 1000).toLocaleString(undefined, { timeZone: timezone, ...style });
}

function mark(colour, dashed) {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  svg.setAttribute('width', 26); svg.setAttribute('height', 8); svg.setAttribute('aria-hidden', 'true');
  const line = document.createElementNS('http://www.w3.org/2000/svg', 'path');
  line.setAttribute('d', 'M0 4H26'); line.setAttribute('stroke', colour); line.setAttribute('stroke-width', 2.5);
  if (dashed) line.setAttribute('stroke-dasharray', '6 4');
  svg.append(line);
  return svg;
}

function drawLegend(groups, dimension, seam, zone) {
  const item = (colour, dashed, text) => { const li = document.createElement('li'); li.append(mark(colour, dashed), text); return li; };
  const items = dimension ? groups.map((g, i) => item(css(colours[i]), false, g.name)) : [];
  items.push(item(css('--soft'), false, 'batch: exact'), item(css('--soft'), true, 'live: batch with the speed layer, or the speed layer alone'));
  if (seam !== null) items.push(Object.assign(document.createElement('li'), { textContent: `live from ${label(seam)} (${zone})` }));
  $('legend').replaceChildren(...items);
}

const rowsShown = 500;
const scale = type => Number(/^decimal\(\d+,(\d+)\)$/.exec(type)?.[1] ?? 0);

function drawTable(answer) {
  const columns = answer.meta.columns.filter(c => c.role !== 'time' || answer.meta.grain);
  const cell = (tag, text, kind) => { const e = document.createElement(tag); e.textContent = text; if (kind) e.className = kind; if (tag === 'th') e.scope = 'col'; return e; };
  const kind = c => c.role === 'measure' ? 'number' : '';
  const head = document.createElement('tr');
  head.append(...columns.map(c => cell('th', c.name + (c.unit ? ` (${c.unit})` : ''), kind(c))), cell('th', 'from'), cell('th', 'certainty'));
  $('table').tHead.replaceChildren(head);
  $('table').tBodies[0].replaceChildren(...answer.data.slice(0, rowsShown).map((r, i) => {
    const o = answer.provenance.rows[i], tr = document.createElement('tr');
    tr.append(...columns.map(c => cell('td', c.role === 'time' ? label(Date.parse(r.time) / 1000) : c.role === 'measure' ? pretty(r[c.name], Math.min(2, scale(c.type))) : r[c.name] ?? '–', kind(c))),
      cell('td', o.source, o.source === 'batch' ? '' : 'live'), cell('td', o.exact ? 'exact' : bounds(o)));
    return tr;
  }));
  const total = answer.statistics.total_rows;
  $('more').textContent = total > rowsShown ? `${number.format(rowsShown)} of ${number.format(total)} rows are shown.` : '';
}

async function health() {
  try {
    const s = await read('v1/status');
    const ill = s.views.filter(v => v.error || v.partitions.some(p => !p.healthy));
    const lag = s.lag.speed;
    const parts = [ill.length ? `${ill.map(v => v.view).join(', ')}: the speed layer is not whole` : 'both layers serve'];
    if (lag !== null) parts.push(lag ? `${number.format(lag)} records behind the log` : 'up to the end of the log');
    const v = s.views.find(x => x.view === $('view').value);
    if (v) parts.push(v.snapshot && v.sequence > 0 ? `batch ${v.snapshot}` : 'no batch yet');
    if (v && v.watermark) parts.push(`events until ${new Date(v.watermark).toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'short' })}`);
    $('health').textContent = parts.join(' · ');
    $('health').className = ill.length ? 'warn' : 'good';
  } catch (error) {
    $('health').textContent = 'the server does not answer: ' + error.message;
    $('health').className = 'bad';
  }
}

async function start() {
  const wanted = Object.fromEntries(new URLSearchParams(location.search));
  try {
    const catalogue = await read('v1/views');
    state.views = catalogue.views;
    $('project').textContent = catalogue.project;
    document.title = `caudal ${catalogue.project}`;
    options($('view'), state.views.map(v => [v.name, v.name]), wanted.view);
    fillControls(wanted);
    for (const id of ['from', 'to', 'where']) $(id).value = wanted[id] || '';
  } catch (error) {
    $('problem').textContent = error.message;
    $('problem').hidden = false;
    return;
  }
  $('view').addEventListener('change', () => { fillControls({}); $('where').value = ''; });
  for (const id of ['view', 'measure', 'dimension', 'grain']) $(id).addEventListener('change', show);
  $('controls').addEventListener('submit', event => { event.preventDefault(); show(); });
  addEventListener('resize', () => state.plot && state.plot.setSize({ width: $('chart').clientWidth, height: state.plot.height }));
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', show);
  setInterval(() => { if (!document.hidden) { health(); if (!state.plot || state.plot.cursor.left < 0) show(); } }, refreshEvery);
  health();
  show();
}

start();
