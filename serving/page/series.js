// Turns the rows of an answer into what a chart draws: buckets along the time, one series of points for each group, and the seam.

import { isLive } from './answer.js';
import { dimension } from './format.js';

const lengths = { s: 1e3, m: 6e4, h: 3.6e6, d: 8.64e7, w: 6.048e8, mo: 2.628e9, q: 7.884e9, y: 3.1536e10 }; // ms; of months and longer the mean

// arrange makes {times, step, series, seam} of one measure. times are starts of buckets (ms, ascending), step is how long the shortest of them
// is; a series has the group's name and points by index of its time, null where it has none,
// and before, likewise, what they are compared with. seam is the index of the first bucket from which
// on every bucket has live events; -1 where there is none. An amount is 0 where a group has no events.
export function arrange(answer, measure, groups, amount) {
  const times = [...new Set(answer.rows.map(row => Date.parse(row.values.time)))].sort((a, b) => a - b);
  const index = new Map(times.map((time, i) => [time, i]));
  const live = times.map(() => false);
  const series = groups.map(group => ({ group, name: group.map(dimension).join(' · '), points: times.map(() => null), before: times.map(() => null) }));
  const byGroup = new Map(series.map(s => [JSON.stringify(s.group), s]));
  for (const row of answer.rows) {
    const at = index.get(Date.parse(row.values.time));
    live[at] ||= isLive(row.origin);
    const drawn = byGroup.get(JSON.stringify(answer.dimensions.map(name => row.values[name])));
    const value = row.values[measure], then = row.values[measure + '_before'];
    if (drawn && answer.meta.compare && then !== null) drawn.before[at] = Number(then);
    if (drawn && value !== null) drawn.points[at] = { key: row.key, value: Number(value), shown: value, origin: row.origin, live: isLive(row.origin) };
  }
  if (amount && series.length > 1) fillZeros(series, live);
  return { times, step: stepOf(times, answer.meta.grain), series, seam: seamOf(live) };
}

// fillZeros says of a group without events in a bucket that others have that it is 0 there.
function fillZeros(series, live) {
  for (const s of series) {
    s.points.forEach((point, i) => {
      if (!point) s.points[i] = { value: 0, shown: 0, live: live[i], origin: null };
    });
  }
}

function seamOf(live) {
  const last = live.lastIndexOf(false);
  return last === live.length - 1 ? -1 : last + 1;
}

function stepOf(times, grain) {
  const [, size, unit] = /^(\d+)(s|m|h|d|w|mo|q|y)$/.exec(grain ?? '') ?? [];
  const named = unit ? Number(size) * lengths[unit] : 0;
  const gaps = times.slice(1).map((time, i) => time - times[i]);
  const least = gaps.reduce((a, b) => Math.min(a, b), Infinity);
  return named ? Math.min(named, least) : least === Infinity ? lengths.d : least;
}
