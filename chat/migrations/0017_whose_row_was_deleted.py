"""Of a deleted event or redemption the log of changes says whose it was: of who is not shown, nothing is told."""

from streams.changelog import whose_is_deleted
from streams.patience import PatientMigration


class Migration(PatientMigration):
    dependencies = [("chat", "0016_removed_messages"), ("streams", "0017_whose_row_was_deleted")]
    operations = [
        whose_is_deleted("chat_chatevent", "events"),
        whose_is_deleted("chat_redemption", "redemptions"),
    ]
