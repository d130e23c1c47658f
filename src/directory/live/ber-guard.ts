/**
 * Answers of a directory server that lie about their lengths. ldapts 8 reads lists with `while (offset < end)` and takes
 * what is cut off for nothing, without going on: one such answer would hold the relay until its heap is full. Each of its
 * answers is whole before it is read, so what is missing within one never comes: it is an error of that answer.
 */
import { BerReader, InvalidAsn1Error } from 'ldapts';

type Text = string | Buffer | null;
const readLength = Reflect.get(BerReader.prototype, 'readLength') as (this: BerReader, startOffset?: number) => number | null;
const readString = Reflect.get(BerReader.prototype, 'readString') as (this: BerReader, ...how: [number?, boolean?]) => Text;

/** Once for the process; the client reads by the same class. */
export function guardBer(): void {
  BerReader.prototype.readLength = function (startOffset) {
    const offset = readLength.call(this, startOffset);
    // four octets of length are added up as a signed number: reading would go backwards
    if (offset !== null && this.length < 0) throw new InvalidAsn1Error('a length below zero');
    return offset;
  };
  BerReader.prototype.readString = function (this: BerReader, ...how: [number?, boolean?]) {
    const value = readString.apply(this, how);
    if (value === null) throw new InvalidAsn1Error('cut off in the middle');
    return value;
  } as typeof BerReader.prototype.readString;
}
