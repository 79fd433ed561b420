// A counter: the same program as examples/c_counter, without its event.
import * as phat from "./phat";

function dispatch(call: phat.Call): void {
  if (call.is(phat.INIT, 0x97b6771b)) {
    phat.storeU64("count", call.readU64());
  } else if (call.is(phat.COMMAND, 0x4f5a8bb8)) {
    const by = call.readU64();
    const before = phat.loadU64("count");
    if (before + by < before) {
      phat.log(2, "refused an overflow");
      call.revert("the counter would overflow");
      return;
    }
    phat.storeU64("count", before + by);
    call.writeU64(before + by);
  } else if (call.is(phat.QUERY, 0x6817c00f)) {
    call.writeU64(phat.loadU64("count"));
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
