/** The date-time of RFC 5322 §3.3, in UTC; `time` in milliseconds since the epoch. */
export function rfc5322Date(time: number): string {
  return new Date(time).toUTCString().replace('GMT', '+0000');
}
