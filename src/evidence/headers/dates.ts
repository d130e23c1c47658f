/** The date of a Received field (RFC 5322 §3.3, with the forms that are met besides). Pure. */

export interface FieldDate {
  /** ISO 8601 with its offset; without one where the field says `-0000` or nothing. */
  readonly iso: string;
  /** Milliseconds since the epoch; absent where the field names no zone at all. */
  readonly instant?: number;
  /** It begins with a day of the week. */
  readonly weekday: boolean;
  /** Its place in the text. */
  readonly start: number;
  readonly end: number;
}

const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];
const MONTH = '(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]{0,6}\\.?';
const CLOCK = '(\\d{1,2})[:.](\\d{2})(?:[:.](\\d{2})(?:[.,]\\d{1,9})?)?';
const ZONE = '(?: ?(?:gmt|utc?)?([+-]\\d{2}:?\\d{2})(?!\\d)| ([a-z]{1,5})(?![\\w.@-]))?';
const WEEKDAY = '(?:(mon|tue|wed|thu|fri|sat|sun)[a-z]{0,6},? ?)?';
/** `Wed, 30 Jul 2008 08:14:11 -0500`, also with the month in full, without the weekday, with hyphens. */
const MAIL_DATE = new RegExp(`(?<![\\w.@-])${WEEKDAY}(\\d{1,2})[ -]${MONTH},?[ -](\\d{4}|\\d{2}),? ${CLOCK}${ZONE}`, 'gi');
/** `Wed Jul 30 08:14:11 2008` and `Wed Jul 30 08:14:11 EST 2008` */
const C_DATE = new RegExp(
  `(?<![\\w.@-])(mon|tue|wed|thu|fri|sat|sun)[a-z]{0,6},? ${MONTH} (\\d{1,2}),? ${CLOCK} (?:([a-z]{3,5}|[+-]\\d{4}) )?(\\d{4})(?: ([+-]\\d{4}))?`,
  'gi',
);
/** `2024-01-05 10:00:00 +0100`, `2024-01-05T10:00:00Z` */
const ISO_DATE = new RegExp(`(?<![\\w.@-])(\\d{4})-(\\d{2})-(\\d{2})[t ]${CLOCK}(z)?${ZONE}`, 'gi');

/** Minutes east of Greenwich. RFC 5322 §4.3 for the American ones; names that mean two zones are not here. */
const ZONES: Readonly<Record<string, number>> = {
  ut: 0,
  gmt: 0,
  utc: 0,
  uct: 0,
  z: 0,
  wet: 0,
  est: -300,
  edt: -240,
  cst: -360,
  cdt: -300,
  mst: -420,
  mdt: -360,
  pst: -480,
  pdt: -420,
  akst: -540,
  akdt: -480,
  hst: -600,
  west: 60,
  cet: 60,
  met: 60,
  mez: 60,
  cest: 120,
  mest: 120,
  mesz: 120,
  eet: 120,
  eest: 180,
  msk: 180,
  jst: 540,
  kst: 540,
  hkt: 480,
  sgt: 480,
  aest: 600,
  aedt: 660,
  nzst: 720,
  nzdt: 780,
};

interface Parts {
  readonly start: number;
  readonly end: number;
  readonly weekday: boolean;
  readonly year: number;
  readonly month: number;
  readonly day: number;
  readonly clock: readonly [string | undefined, string | undefined, string | undefined];
  readonly zone: string | undefined;
}

/**
 * The date of a field, in whose text comments are blank: the last one that stands behind a semicolon, else the last.
 * `undefined` where there is none that exists.
 */
export function dateIn(text: string): FieldDate | undefined {
  let best: FieldDate | undefined;
  let bestBehind = false;
  for (const parts of datesIn(text)) {
    const date = dateOf(parts);
    if (date === undefined) continue;
    const behind = /; *$/.test(text.slice(Math.max(0, date.start - 200), date.start));
    if (best === undefined || behind || !bestBehind) {
      best = date;
      bestBehind = behind;
    }
  }
  return best;
}

function datesIn(text: string): Parts[] {
  const found: Parts[] = [];
  for (const m of text.matchAll(MAIL_DATE))
    found.push({
      ...placeOf(m),
      weekday: m[1] !== undefined,
      year: yearOf(m[4]),
      month: monthOf(m[3]),
      day: Number(m[2]),
      clock: [m[5], m[6], m[7]],
      zone: m[8] ?? m[9],
    });
  for (const m of text.matchAll(C_DATE))
    found.push({
      ...placeOf(m),
      weekday: true,
      year: Number(m[8]),
      month: monthOf(m[2]),
      day: Number(m[3]),
      clock: [m[4], m[5], m[6]],
      zone: m[9] ?? m[7],
    });
  for (const m of text.matchAll(ISO_DATE))
    found.push({
      ...placeOf(m),
      weekday: false,
      year: Number(m[1]),
      month: Number(m[2]),
      day: Number(m[3]),
      clock: [m[4], m[5], m[6]],
      zone: m[7] ?? m[8] ?? m[9],
    });
  return found.sort((a, b) => a.start - b.start);
}

function placeOf(match: RegExpExecArray): { start: number; end: number } {
  return { start: match.index, end: match.index + match[0].length };
}

function monthOf(name = ''): number {
  return MONTHS.indexOf(name.toLowerCase()) + 1;
}

/** RFC 5322 §4.3: two digits below 50 are of this century. */
function yearOf(digits = ''): number {
  const year = Number(digits);
  return digits.length > 2 ? year : year < 50 ? 2000 + year : 1900 + year;
}

function dateOf({ start, end, weekday, year, month, day, clock, zone }: Parts): FieldDate | undefined {
  const [hour, minute, second] = clock.map((part) => Number(part ?? 0));
  if (hour === undefined || minute === undefined || second === undefined) return undefined;
  if (month < 1 || day < 1 || hour > 23 || minute > 59 || second > 60 || year < 1970) return undefined;
  const utc = Date.UTC(year, month - 1, day, hour, minute, second);
  const made = new Date(Date.UTC(year, month - 1, day));
  if (made.getUTCMonth() !== month - 1) return undefined; // 30 February
  const local = `${year}-${two(month)}-${two(day)}T${two(hour)}:${two(minute)}:${two(second)}`;
  const at = { weekday, start, end };
  const offset = offsetOf(zone);
  if (offset === undefined) return { iso: local, ...at };
  // RFC 5322 §3.3: -0000 is a time in UTC, of a host whose own zone is not told
  if (offset === 'untold') return { iso: local, instant: utc, ...at };
  const size = Math.abs(offset);
  return {
    iso: `${local}${offset < 0 ? '-' : '+'}${two(Math.floor(size / 60))}:${two(size % 60)}`,
    instant: utc - offset * 60_000,
    ...at,
  };
}

/** Minutes east of Greenwich; `undefined` where the zone is not there or means nothing. */
function offsetOf(zone: string | undefined): number | 'untold' | undefined {
  if (zone === undefined) return undefined;
  const numeric = /^([+-])(\d{2}):?(\d{2})$/.exec(zone);
  if (numeric === null) return ZONES[zone.toLowerCase()];
  const minutes = Number(numeric[2]) * 60 + Number(numeric[3]);
  if (Number(numeric[3]) > 59 || minutes > 15 * 60) return undefined;
  if (numeric[1] === '+') return minutes;
  return minutes === 0 ? 'untold' : -minutes;
}

const two = (value: number): string => String(value).padStart(2, '0');
