/** Text from the network, made safe to print: a reply or an address must not steer the reader's terminal. */

// C0 and C1 controls, and what turns or hides text: bidirectional marks, zero-width characters, line separators
const UNSAFE = /[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;

/** Writes control and direction characters as `\u001b`; line breaks too, so that a value stays on its line. */
export function printable(text: string): string {
  return text.replace(UNSAFE, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
