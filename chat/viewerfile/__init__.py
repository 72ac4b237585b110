"""The viewer's file: everything that moderators of one channel know of a viewer, on one page of the administration."""
