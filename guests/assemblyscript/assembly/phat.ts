// Phat programs in AssemblyScript: frame, arguments, results, state.
//
// A program registers its methods in a `dispatch` function and exports the two functions of the guest ABI:
//
//     import * as phat from "./phat";
//     function dispatch(call: phat.Call): void { if (call.is(phat.COMMAND, 0x4f5a8bb8)) add(call); }
//     export function phat_alloc(length: u32): usize { return phat.allocate(length); }
//     export function phat_call(frame: usize, length: u32): u64 {
//       const call = phat.open(frame, length);
//       dispatch(call);
//       return call.finish();
//     }
//
// Build: asc program.ts --runtime stub -O3 --noAssert --use abort= -o program.wasm
//
// A guest has no start function, and AssemblyScript's own heap needs one. So objects are made by `allocate` (classes marked
// @unmanaged), never by `new`, and library functions that allocate are left alone.

// @ts-ignore: decorator
@external("phat", "kv_get")
declare function kv_get(key: usize, keyLength: u32): u64;
// @ts-ignore: decorator
@external("phat", "kv_set")
declare function kv_set(key: usize, keyLength: u32, value: usize, length: u32): void;
// @ts-ignore: decorator
@external("phat", "log")
declare function host_log(level: u32, text: usize, length: u32): void;

export const INIT: u8 = 1;
export const COMMAND: u8 = 2;
export const QUERY: u8 = 3;
const INTERNAL: u8 = 5;

const OK: u8 = 0;
const REVERTED: u8 = 1;
const UNKNOWN_METHOD: u8 = 2;
const BAD_ARGUMENTS: u8 = 3;

const ABSENT: u64 = 0xffffffffffffffff;
const FRAME_BYTES: u32 = 150;
const OUTPUT_BYTES: u32 = 65536;

let next: usize = 0;

/** A buffer that lives as long as the instance, which is one call. */
export function allocate(length: u32): usize {
  if (next == 0) next = (__heap_base + 15) & ~15;
  const start = next;
  const end = <u64>start + length;
  const size = (<u64>memory.size()) << 16;
  if (end > size && memory.grow(<i32>((end - size + 65535) >> 16)) < 0) unreachable();
  next = <usize>((end + 15) & ~15);
  return start;
}

/** Text in UTF-8: `pointer << 32 | length`. */
function encode(text: string): u64 {
  const buffer = allocate(text.length * 3);
  const length = String.UTF8.encodeUnsafe(changetype<usize>(text), text.length, buffer);
  return ((<u64>buffer) << 32) | length;
}

/** One call: its frame, its arguments, and the result that it makes. */
@unmanaged
export class Call {
  kind: u8;
  /** First 4 bytes of keccak256 of the method's name, big-endian. */
  selector: u32;
  at: usize;
  end: usize;
  isTooShort: bool;
  status: u8;
  message: usize;
  messageLength: u32;
  result: usize;
  length: u32;

  /** Whether this is the method; another program may call commands and queries alike. */
  is(kind: u8, selector: u32): bool {
    if (selector != this.selector || (kind != this.kind && (this.kind != INTERNAL || kind == INIT))) return false;
    this.status = OK;
    return true;
  }

  readU64(): u64 {
    if (this.at + 8 > this.end) {
      this.isTooShort = true;
      return 0;
    }
    this.at += 8;
    return load<u64>(this.at - 8);
  }

  writeU64(value: u64): void {
    store<u64>(this.result + 5 + this.length, value);
    this.length += 8;
  }

  /** Refuses the call; nothing that it wrote is kept. */
  revert(message: string): void {
    this.fail(REVERTED, message);
  }

  fail(status: u8, message: string): void {
    const packed = encode(message);
    this.status = status;
    this.message = <usize>(packed >> 32);
    this.messageLength = <u32>packed;
  }

  /** The packed result buffer. */
  finish(): u64 {
    if (this.status == OK && (this.isTooShort || this.at != this.end)) {
      this.fail(BAD_ARGUMENTS, "the arguments are too short or too long");
    }
    if (this.status != OK) {
      this.length = this.messageLength;
      memory.copy(this.result + 5, this.message, this.length);
    }
    store<u8>(this.result, this.status);
    store<u32>(this.result + 1, this.length);
    store<u16>(this.result + 5 + this.length, 0);
    return ((<u64>this.result) << 32) | (this.length + 7);
  }
}

/** The call that a frame describes. */
export function open(frame: usize, length: u32): Call {
  if (length < FRAME_BYTES || load<u8>(frame) != 1) unreachable();
  const call = changetype<Call>(allocate(offsetof<Call>()));
  call.kind = load<u8>(frame, 1);
  call.selector = bswap<u32>(load<u32>(frame, 2));
  call.at = frame + FRAME_BYTES;
  call.end = frame + length;
  call.isTooShort = false;
  call.result = allocate(OUTPUT_BYTES);
  call.length = 0;
  call.fail(UNKNOWN_METHOD, "unknown method");
  return call;
}

/** A 64-bit number in state, zero where there is none. */
export function loadU64(key: string): u64 {
  const name = encode(key);
  const packed = kv_get(<usize>(name >> 32), <u32>name);
  return packed == ABSENT ? 0 : load<u64>(<usize>(packed >> 32));
}

export function storeU64(key: string, value: u64): void {
  const name = encode(key);
  const buffer = allocate(8);
  store<u64>(buffer, value);
  kv_set(<usize>(name >> 32), <u32>name, buffer, 8);
}

/** Level 0 debug, 1 info, 2 warning, 3 error. */
export function log(level: u32, text: string): void {
  const bytes = encode(text);
  host_log(level, <usize>(bytes >> 32), <u32>bytes);
}
