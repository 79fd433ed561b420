// Fibonacci numbers in AssemblyScript, in 64 bits that wrap, with a cache in the state.
// > command nth 0a00000000000000
// > command nth 5d00000000000000
// > command nth 5d00000000000000
// > command nth 8813000000000000
// > command nth 00
// > query cached
// > command nth ffffffffffffff7f fuel=1_000_000
import * as phat from "../../../../guests/assemblyscript/assembly/phat";

function dispatch(call: phat.Call): void {
  if (call.is(phat.COMMAND, 0xee13c7cd)) {
    const n = call.readU64();
    if (phat.loadU64("n") != n) {
      let a: u64 = 0;
      let b: u64 = 1;
      for (let i: u64 = 0; i < n; i++) {
        const sum = a + b;
        a = b;
        b = sum;
      }
      phat.storeU64("n", n);
      phat.storeU64("value", a);
    }
    call.writeU64(phat.loadU64("value"));
  } else if (call.is(phat.QUERY, 0x81fe61f7)) {
    call.writeU64(phat.loadU64("n"));
  }
}

export function phat_alloc(length: u32): usize {
  return phat.allocate(length);
}

export function phat_call(frame: usize, length: u32): u64 {
  const call = phat.open(frame, length);
  dispatch(call);
  return call.finish();
}
