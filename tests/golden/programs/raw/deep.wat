;; Recursion without end, of four kinds: a small frame, a wide frame, through a table, and two functions in turn.
;; > command run 00
;; > command run 01
;; > command run 02
;; > command run 03
;; > command run 04
;; > command run 00 fuel=1_000_000
(module
  (memory (export "memory") 2)
  (type $step (func (param i32) (result i32)))
  (table 1 funcref)
  (elem (i32.const 0) $through_table)
  (func (export "phat_alloc") (param i32) (result i32) (i32.const 65536))
  (func $small (param $n i32) (result i32) (i32.add (call $small (i32.add (local.get $n) (i32.const 1))) (i32.const 1)))
  (func $wide (param $n i64) (result i64) (local $a i64) (local $b i64) (local $c i64) (local $d i64) (local $e i64)
    (local.set $a (i64.mul (local.get $n) (i64.const 3))) (local.set $b (i64.mul (local.get $a) (i64.const 5)))
    (local.set $c (i64.mul (local.get $b) (i64.const 7))) (local.set $d (i64.mul (local.get $c) (i64.const 11)))
    (local.set $e (call $wide (i64.add (local.get $d) (i64.const 1))))
    (i64.add (i64.add (local.get $a) (local.get $b)) (i64.add (i64.xor (local.get $c) (local.get $d)) (local.get $e))))
  (func $through_table (param $n i32) (result i32)
    (i32.add (call_indirect (type $step) (local.get $n) (i32.const 0)) (i32.const 1)))
  (func $left (param $n i32) (result i32) (i32.xor (call $right (local.get $n)) (i32.const 1)))
  (func $right (param $n i32) (result i32) (i32.sub (call $left (local.get $n)) (local.get $n)))
  (func $bounded (param $n i32) (result i32)
    (if (result i32) (local.get $n)
      (then (i32.add (call $bounded (i32.sub (local.get $n) (i32.const 1))) (i32.const 1)))
      (else (i32.const 0))))
  (func (export "phat_call") (param $frame i32) (param $length i32) (result i64)
    (block $4 (block $3 (block $2 (block $1 (block $0
      (br_table $0 $1 $2 $3 $4 (i32.load8_u (i32.add (local.get $frame) (i32.const 150)))))
      (return (i64.extend_i32_u (call $small (i32.const 0)))))
      (return (call $wide (i64.const 1))))
      (return (i64.extend_i32_u (call $through_table (i32.const 0)))))
      (return (i64.extend_i32_u (call $left (i32.const 0)))))
    ;; 4: twenty thousand levels are allowed
    (i32.store (i32.const 1025) (i32.const 4))
    (i32.store (i32.const 1029) (call $bounded (i32.const 20000)))
    (i64.const 0x4000000000b)))
