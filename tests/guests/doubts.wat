;; Sends what must not arrive twice; whatever became of it, and though nobody knows, wants it sent again.

(data (i32.const 4096) "order")
(data (i32.const 4104) "POST")
(data (i32.const 4112) "/serviceOrder")
(data (i32.const 4160) "busy")

;; progress: send. The request: label, method, path, no headers, an empty body, and at 48: at-most-once.
(data (i32.const 4356)
  "\00\10\00\00" "\05\00\00\00"
  "\08\10\00\00" "\04\00\00\00"
  "\10\10\00\00" "\0d\00\00\00")
(data (i32.const 4400) "\01")

;; progress: again, for a trouble whose code and message are one.
(data (i32.const 4608) "\01")
(data (i32.const 4612) "\40\10\00\00" "\04\00\00\00" "\40\10\00\00" "\04\00\00\00")

;; The question ends with the history: at 172 where it is, at 176 how long.
(func (export "punchdown:adapter/external-system@0.9.0#provision") (param $question i32) (result i32)
  (select (i32.const 4608) (i32.const 4352) (i32.load offset=176 (local.get $question))))
