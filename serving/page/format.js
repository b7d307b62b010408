// Numbers and times as the reader's locale writes them.

const formatter = options => new Intl.NumberFormat(undefined, options);
const whole = formatter({ maximumFractionDigits: 0 });
const short = formatter({ notation: 'compact', maximumFractionDigits: 2 });

export const count = n => whole.format(n);

// compact is for axes: 1.2M.
export const compact = n => short.format(n);

// number writes a value with every digit that it has. Decimals come as text and Intl reads them as they are, so none is rounded.
export function number(value, type) {
  if (value === null || value === undefined) return '–';
  if (typeof value === 'object') return JSON.stringify(value);
  if (typeof value === 'string' && !/^-?\d+(\.\d+)?$/.test(value)) return value;
  const scale = Number(/^decimal\(\d+,(\d+)\)$/.exec(type)?.[1] ?? 0);
  return formatter({ minimumFractionDigits: Math.min(2, scale), maximumFractionDigits: type === 'double' ? 6 : 20 }).format(value);
}

// headline is a number that is read from afar: at most two digits behind the point, and short from a billion on.
export function headline(value) {
  if (value === null || value === undefined) return '–';
  const large = Math.abs(Number(value)) >= 1e9;
  return formatter(large ? { notation: 'compact', maximumFractionDigits: 2 } : { maximumFractionDigits: Math.abs(Number(value)) >= 1e5 ? 0 : 2 }).format(value);
}

const unitOf = grain => /^\d+(s|m|h|d|w|mo|q|y)$/.exec(grain ?? '')?.[1] ?? '';

const unitNames = { s: 'second', m: 'minute', h: 'hour', d: 'day', w: 'week', mo: 'month', q: 'quarter', y: 'year' };

// grain is a grain in words: day, 15 minutes.
export function grain(name) {
  const size = parseInt(name, 10), unit = unitNames[unitOf(name)] ?? name;
  return size > 1 ? `${size} ${unit}s` : unit;
}

// bucket names the bucket of a grain that starts at a time (ms).
export function bucket(ms, grain, timezone) {
  const unit = unitOf(grain);
  let style = { dateStyle: 'medium' };
  if (unit === 'y') style = { year: 'numeric' };
  else if (unit === 'mo' || unit === 'q') style = { year: 'numeric', month: 'long' };
  else if (unit === 'd') style = { weekday: 'short', day: 'numeric', month: 'short', year: 'numeric' };
  else if (unit === 's') style = { dateStyle: 'medium', timeStyle: 'medium' };
  else if (unit === 'm' || unit === 'h') style = { dateStyle: 'medium', timeStyle: 'short' };
  return new Intl.DateTimeFormat(undefined, { ...style, timeZone: timezone }).format(ms);
}

// instant is a moment, to the minute.
export function instant(text, timezone) {
  return text ? new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short', timeZone: timezone }).format(Date.parse(text)) : '–';
}

// second is a moment, to the second.
export const second = (text, timezone) => new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'medium', timeZone: timezone }).format(Date.parse(text));

// clock is the time of day of a moment (ms), where the reader is.
export const clock = ms => new Intl.DateTimeFormat(undefined, { timeStyle: 'short' }).format(ms);

// age is a length of time in one unit: 3 s, 12 min, 5 h, 2 d.
export function age(seconds) {
  const units = [['day', 86_400], ['hour', 3_600], ['minute', 60], ['second', 1]];
  const [unit, size] = units.find(([, size]) => seconds >= size) ?? units.at(-1);
  return formatter({ style: 'unit', unit, unitDisplay: 'short', maximumFractionDigits: seconds < 10 ? 1 : 0 }).format(seconds / size);
}

// percent writes a share with a digit.
const percent = share => formatter({ style: 'percent', minimumFractionDigits: 1, maximumFractionDigits: 1 }).format(share);

// dimension names a dimension's value.
export const dimension = value => value === null || value === undefined ? 'no value' : value === '' ? 'empty' : String(value);

// source says in words where a row comes from.
export const source = origin => ({ batch: 'batch', merged: 'batch + live', speed: 'live', lake: 'lake', none: 'no event', filled: 'filled in' })[origin.source] ?? origin.source;

// certainty says how sure a row is, of one measure or of all.
export function certainty(origin, measure) {
  const bounds = Object.entries(origin.bounds ?? {}).filter(([name]) => measure === undefined || name === measure);
  const said = bounds.map(([, bound]) => bound === null ? 'approximate' : `±${percent(bound)}`);
  if (origin.incomplete) said.push('events are left to the next batch');
  if (origin.other) said.push(`${count(origin.other)} events not told apart`);
  return said.length ? said.join(', ') : 'exact';
}
