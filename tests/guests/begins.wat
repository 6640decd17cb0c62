;; Reads in every notification that the system changed account 1 of itself; finishes whatever it is asked.

;; progress: finish, and at 72 one report. Its zeros, at 5120, are: the own group, OK, no message.
(data (i32.const 4352) "\04")
(data (i32.const 4424) "\00\14\00\00" "\01\00\00\00")

(func (export "punchdown:adapter/external-system@0.9.0#provision") (param $question i32) (result i32)
  (i32.const 4352))

;; The reading, at 6144: reply (202, no headers, an empty body), at 24 one signal, and nothing unread.
(data (i32.const 6144) "\ca\00")
(data (i32.const 6168) "\00\19\00\00" "\01\00\00\00")
;; The signal, at 6400: no id, the i-account "1", the payload "{}", and otherwise: begin.
(data (i32.const 6412) "\01\00\00\00" "\00\1a\00\00" "\01\00\00\00")
(data (i32.const 6424) "\10\1a\00\00" "\02\00\00\00" "\01")
(data (i32.const 6656) "1")
(data (i32.const 6672) "{}")

(func (export "punchdown:adapter/external-system@0.9.0#read-notification")
  (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)
  (i32.const 6144))
