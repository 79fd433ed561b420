;; Growing memory to its limit and beyond, touching it, and trapping after a refusal; fresh pages read as zero.
;; > command run 00
;; > command run 01
;; > command run 02
;; > command run 03
;; > command run 00
(module
  (memory (export "memory") 2)
  (func (export "phat_alloc") (param i32) (result i32) (i32.const 65536))
  (func $answer (param $value i32) (result i64)
    (i32.store (i32.const 1025) (i32.const 4)) (i32.store (i32.const 1029) (local.get $value)) (i32.store16 (i32.const 1033) (i32.const 0))
    (i64.const 0x4000000000b))
  (func (export "phat_call") (param $frame i32) (param $length i32) (result i64) (local $which i32) (local $sum i32)
    (local.set $which (i32.load8_u (i32.add (local.get $frame) (i32.const 150))))
    (if (i32.eqz (local.get $which)) (then ;; 0: page by page until it is refused; the answer is the size
      (loop $again (br_if $again (i32.ge_s (memory.grow (i32.const 1)) (i32.const 0))))
      (return (call $answer (memory.size)))))
    (if (i32.eq (local.get $which) (i32.const 1)) (then ;; 1: too much at once is refused whole
      (return (call $answer (i32.add (memory.size) (memory.grow (i32.const 60000)))))))
    (if (i32.eq (local.get $which) (i32.const 2)) (then ;; 2: a trap after a refusal counts as memory
      (drop (memory.grow (i32.const 60000))) unreachable))
    ;; 3: dirty every page, read every page
    (drop (memory.grow (i32.const 500)))
    (memory.fill (i32.const 131072) (i32.const 7) (i32.const 1000000))
    (local.set $which (i32.const 131072))
    (loop $again
      (local.set $sum (i32.add (local.get $sum) (i32.load8_u (local.get $which))))
      (local.set $which (i32.add (local.get $which) (i32.const 4096)))
      (br_if $again (i32.lt_u (local.get $which) (i32.shl (memory.size) (i32.const 16)))))
    (call $answer (local.get $sum))))
