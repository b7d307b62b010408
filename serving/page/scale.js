// Where values and times lie, and which of them an axis names.

// values is a linear scale over [low, high] that holds 0, rounded outwards to its ticks: {ticks, at(value)} with at in px from the bottom.
export function values(points, height, about) {
  let low = 0, high = 0;
  for (const value of points) {
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  if (low === high) high = 1;
  const step = niceStep((high - low) / Math.max(2, about));
  const first = Math.floor(low / step), last = Math.ceil(high / step);
  const ticks = Array.from({ length: last - first + 1 }, (_, i) => (first + i) * step);
  return { ticks, at: value => (value - first * step) / ((last - first) * step) * height };
}

// niceStep is 1, 2 or 5 times a power of ten, not below the least.
function niceStep(least) {
  const power = 10 ** Math.floor(Math.log10(least));
  return [1, 2, 5, 10].map(n => n * power).find(step => step >= least * 0.999);
}

// times is a linear scale of buckets: from(i) and middle(i) in px, and width of a bucket.
export function times(starts, step, width) {
  const first = starts[0], length = starts.at(-1) + step - first;
  const px = ms => (ms - first) / length * width;
  return { width: px(first + step), from: i => px(starts[i]), middle: i => px(starts[i] + step / 2) };
}

const levels = [ // what a tick's bucket begins, the coarsest first, and how it is named
  { part: 'year', style: { year: 'numeric' } },
  { part: 'month', style: { month: 'short' }, beyond: { month: 'short', year: 'numeric' } },
  { part: 'day', style: { day: 'numeric', month: 'short' } },
  { part: 'hour', style: { hour: '2-digit', minute: '2-digit' } },
  { part: 'minute', style: { hour: '2-digit', minute: '2-digit' } },
];

// timeTicks picks buckets to name, as [index, label]: those that begin a year, a month, a day, an hour, whichever is the finest level that
// has room, thinned out evenly where even the coarsest has not.
export function timeTicks(starts, timezone, most) {
  const parts = new Intl.DateTimeFormat('en', { timeZone: timezone, hourCycle: 'h23', year: 'numeric', month: 'numeric', day: 'numeric', hour: 'numeric', minute: 'numeric' });
  const read = starts.map(start => Object.fromEntries(parts.formatToParts(start).map(p => [p.type, p.value])));
  const begins = depth => starts.map((_, i) => i).filter(i => i === 0 || levels.slice(0, depth + 1).some(level => read[i][level.part] !== read[i - 1][level.part]));
  let depth = 0, found = begins(0);
  while (depth + 1 < levels.length && found.length < Math.min(starts.length, most)) {
    const finer = begins(depth + 1);
    if (finer.length > most * 10) break; // thinned out so much they would be odd days
    depth++;
    found = finer;
  }
  const every = Math.ceil(found.length / most);
  return found.filter((_, n) => n % every === 0).map((i, n, kept) => [i, label(starts[i], levels[depth], timezone, n > 0 && read[kept[n - 1]].year === read[i].year, n > 0 && read[kept[n - 1]].day === read[i].day)]);
}

function label(start, level, timezone, sameYear, sameDay) {
  let style = level.style;
  if (level.beyond && !sameYear) style = level.beyond;
  if ((level.part === 'hour' || level.part === 'minute') && !sameDay) style = { day: 'numeric', month: 'short', ...style };
  return new Intl.DateTimeFormat(undefined, { ...style, timeZone: timezone }).format(start);
}
