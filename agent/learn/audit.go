package learn

func (l *Learner) mayAudit(any) {}
