/** One row of a CSV file (RFC 4180 §2), safe to open in a spreadsheet. */

// A spreadsheet takes what begins like this for a formula (reliability.md 2: CSV export); addresses and replies come from strangers
const FORMULA = /^[=+\-@\t\r]/;

/** One value, on one line. */
export function csvCell(value: string): string {
  const oneLine = value.replace(/[\r\n\0]+/g, ' ');
  const safe = FORMULA.test(oneLine) ? `'${oneLine}` : oneLine;
  return /[",]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

/** With its CRLF. */
export function csvRow(values: readonly (string | number | null | undefined)[]): string {
  return `${values.map((value) => csvCell(String(value ?? ''))).join(',')}\r\n`;
}
