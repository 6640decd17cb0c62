;; The decent part of every guest here: the suite puts it before the guest's own text, which adds
;; `provision` and misbehaves there. Core functions, in the canonical ABI of `wit/adapter.wit`:
;; a text or a list is an address and a length, a record is its fields one after another.

(import "punchdown:adapter/log@0.9.0" "write"
  (func $log (param $level i32) (param $text i32) (param $length i32)))

;; Page 0: what stands here, and from 4096 on the guest's own data. Then the heap.
(memory (export "memory") 2)
(global $free (mut i32) (i32.const 65536))

;; The description: name, version, summary, queries, config-schema, secrets, secret-fields.
(data (i32.const 1024)
  "\00\08\00\00" "\05\00\00\00"
  "\08\08\00\00" "\05\00\00\00"
  "\10\08\00\00" "\0b\00\00\00"
  "\00\00\00\00" "\00\00\00\00"
  "\20\08\00\00" "\02\00\00\00"
  "\00\00\00\00" "\00\00\00\00"
  "\00\00\00\00" "\00\00\00\00")
(data (i32.const 2048) "guest")
(data (i32.const 2056) "1.0.0")
(data (i32.const 2064) "misbehaves.")
(data (i32.const 2080) "{}")

(func (export "punchdown:adapter/external-system@0.9.0#describe") (result i32)
  (i32.const 1024))

;; Zeros, at 1152: a list of no problems. Any configuration will do.
(func (export "punchdown:adapter/external-system@0.9.0#check-config")
  (param $config i32) (param $length i32) (result i32)
  (i32.const 1152))

;; Room for what the host hands over: the next free bytes, never given back.
(func (export "cabi_realloc")
  (param $old i32) (param $old-size i32) (param $align i32) (param $size i32) (result i32)
  (local $at i32)
  (local.set $at (i32.and (i32.add (global.get $free) (i32.const 7)) (i32.const -8)))
  (global.set $free (i32.add (local.get $at) (local.get $size)))
  (local.get $at))
