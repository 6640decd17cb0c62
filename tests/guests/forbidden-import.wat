;; Wants a connection of its own. Whole in itself: it is refused before it is asked anything.
;; The suite adds the interface to the contract that this one is built with.

(module
  (import "made-up:network/sockets@1.0.0" "connect" (func $connect (param i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (unreachable))
  (func (export "punchdown:adapter/external-system@0.9.0#describe") (result i32)
    (call $connect (i32.const 389)))
  (func (export "punchdown:adapter/external-system@0.9.0#check-config") (param i32 i32) (result i32)
    (unreachable))
  (func (export "punchdown:adapter/external-system@0.9.0#provision") (param i32) (result i32)
    (unreachable))
  (func (export "punchdown:adapter/external-system@0.9.0#read-notification")
    (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)
    (unreachable)))
