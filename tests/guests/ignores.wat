;; Says of every event that it is none of its business.

(data (i32.const 4096) "not of this group")

;; progress: ignore, and why.
(data (i32.const 4352) "\05")
(data (i32.const 4356) "\00\10\00\00" "\11\00\00\00")

(func (export "punchdown:adapter/external-system@0.9.0#provision") (param $question i32) (result i32)
  (i32.const 4352))
