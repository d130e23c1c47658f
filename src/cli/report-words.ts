/** The words and figures of the reports, the same on the terminal, on paper and in a spreadsheet. */
import type { TlsReport } from '../admin/report-contract.ts';

type Counts = TlsReport['in'];
export type ExceptionKind = TlsReport['exceptions'][number]['kind'];

export const KINDS: Record<ExceptionKind, { readonly title: string; readonly means: string }> = {
  'in-clear': { title: 'In clear', means: 'The mail crossed a network readable by anyone on the way.' },
  'not-sent': {
    title: 'Not sent',
    means: 'The connector wants TLS and did not get it: nothing went, the mail waited or came back.',
  },
  downgraded: { title: 'Weaker TLS', means: 'Encrypted, after the first offer had failed.' },
  'not-verified': {
    title: 'Not verified',
    means: 'Encrypted, but nothing proves that the other end was the right server.',
  },
  unknown: { title: 'Unknown', means: 'The record does not say how it went; it is counted as not encrypted.' },
};

/** `99.99 %`, rounded down: what is not all is never called all. `none` where there was nothing to protect. */
export function shareOf(part: number, all: number): string {
  return all === 0 ? 'none' : `${(Math.floor((part * 10_000) / all) / 100).toFixed(2)} %`;
}

/** Hops that crossed a network. */
export const crossings = (counts: Counts): number => counts.hops - counts.local;

/** Messages that are done and crossed a network. */
export const settled = ({ all, local, 'under-way': underWay }: TlsReport['messages']): number => all - local - underWay;

export const spanInWords = ({ since, until }: { readonly since: string; readonly until: string }): string =>
  `${minute(since)} to ${minute(until)} UTC`;

/** `2026-11-22 10:00`, of an ISO 8601 time. */
export const minute = (time: string): string => time.slice(0, 16).replace('T', ' ');

export const THE_CHAIN =
  'Every record carries the SHA-256 of the record before it and its own text. "bridgehead report verify" follows these links and names what was changed, ' +
  'taken out or put in. Whoever can rewrite all files of the relay can make a new chain as well: keep the heads above in another place ' +
  '(this page, the log of another machine), and a chain made anew does not end in them.';
